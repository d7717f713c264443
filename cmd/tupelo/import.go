package main

import (
	"context"
	"fmt"
	"iter"
	"net"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/schema/fixture"
)

// The kinds of files that import takes.
const (
	formatAuto  = "auto"
	formatLines = "lines"
	formatYAML  = "yaml"
)

// importOptions are what import is asked for.
type importOptions struct {
	format   choice
	inFlight int
	spicedb  connection // its address is empty if another source is meant
	backup   string
	origin   originOptions
	offline  offlineOptions
}

func newImportCommand(t *terminal) *cobra.Command {
	o := importOptions{format: choice{value: formatAuto, among: []string{formatAuto, formatLines, formatYAML}}}
	cmd := &cobra.Command{
		Use:   "import {FILE... | --from-spicedb ADDR | --from-backup FILE}",
		Short: "Write the tuples of files, of a SpiceDB or of its backup",
		Long: `Write the tuples of files; - stands for standard input. A file has a tuple on each
line, as read prints them and write takes them; blank lines and comments from // or
# on are passed over. A .yaml or .yml file is a fixture instead, with the keys
schema (or schemaFile) and relationships, as SpiceDB's validation files; its schema
is written first, with the files that it imports.

Tuples are written in batches of at most 1,000, several at a time: an import is not
one write. It can be repeated, for tuples that are there already stay as they are;
one that is there with another caveat or expiration gets those of the file. Which
it gets is open where a file holds it twice, with different ones.
The zookie printed at the end covers all of it.

With --from-spicedb it is the schema and all relationships of a server of
authzed.api.v1, as they are at one revision, and with --from-backup those of a file
that "zed backup create" made. A server that has another schema is left alone,
unless --replace-schema says otherwise. What does not expire is counted at the end.
With --resume FILE the file remembers how far the import has come, and the same
command goes on from there; it is removed at the end. A token of SpiceDB is given by
--from-token; without, one that stands on the command line as --token is for both.

With --offline no server has a part in it: the tuples are sorted, and put into the
data directory of a node that is not running, one that is empty or has only a schema.
It takes a fraction of the time. The schema is the directory's, that of --schema, of
a fixture or of the backup. It is all or nothing: interrupted, it leaves the directory
as it was, and is begun anew. At the end the tuples of each kind are counted in both
indexes, and the counts are printed. Then serve it; nodes that join get them too.`,
		Example: `  tupelo import tuples.txt
  tupelo import gitclub.yaml
  zcat tuples.gz | tupelo import -
  tupelo import --from-spicedb spicedb:50051 --from-token "$TOKEN" --resume moving.json
  tupelo import --from-backup spicedb.zedbackup
  tupelo import --offline --data ./data --schema gitclub.zed tuples.txt`,
		Args: arguments(0, -1),
	}
	o.register(cmd.Flags())
	withClient(cmd, func(ctx context.Context, c *client, args []string) error {
		return o.importOnline(ctx, cmd.Flags(), t, c, args)
	})
	online := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !o.offline.asked {
			return online(cmd, args)
		}
		if err := o.completeOffline(cmd.Flags(), args); err != nil {
			return err
		}
		return importOffline(cmd.Context(), t, &o, args)
	}
	return cmd
}

// importOnline imports through a server.
func (o *importOptions) importOnline(ctx context.Context, flags *pflag.FlagSet, t *terminal, c *client, args []string) error {
	if err := o.complete(flags, args); err != nil {
		return err
	}
	i := &importer{terminal: t, client: c, inFlight: o.inFlight}
	done := "imported"
	if o.origin.dryRun {
		done = "read"
	}
	stop := i.showProgress(done)
	err := i.run(ctx, o, args)
	stop()
	switch imported := i.imported.Load(); {
	case err != nil && imported > 0 && !o.origin.dryRun:
		t.notef("%s imported before that; %s", plural(imported, "tuple"), o.again())
		return err
	case err != nil || o.origin.dryRun:
		return err
	}
	return i.finish(ctx)
}

func (o *importOptions) register(flags *pflag.FlagSet) {
	flags.Var(&o.format, "format", "what the files hold; auto goes by their names")
	flags.IntVar(&o.inFlight, "in-flight", 8, "batches to have under way at a time")
	flags.StringVar(&o.spicedb.addr, "from-spicedb", "", "a server of authzed.api.v1 to import from, as host:port")
	flags.StringVar(&o.spicedb.token, "from-token", "", "bearer token to show to that server")
	flags.BoolVar(&o.spicedb.insecure, "from-insecure", false, "use no TLS with that server, even if it is not on a loopback address")
	flags.StringVar(&o.spicedb.caFile, "from-tls-ca", "", "PEM file of authorities to trust for that server instead of the system's")
	flags.StringVar(&o.spicedb.tlsServer, "from-tls-server-name", "", "name to expect in that server's certificate")
	flags.StringVar(&o.backup, "from-backup", "", "a `file` of zed backup create to import; - for standard input")
	flags.BoolVar(&o.origin.dryRun, "dry-run", false, "read all of a SpiceDB or a backup, count it and write nothing")
	flags.BoolVar(&o.origin.replaceSchema, "replace-schema", false, "replace another schema by that of the SpiceDB or the backup")
	flags.StringVar(&o.origin.resume, "resume", "", "`file` to remember in how far the import of a SpiceDB or a backup has come")
	o.offline.register(flags)
	markSettings(flags, "from-token", "data", "node-id")
}

// complete looks for what can only be a mistake, and takes what is given for both
// servers. Only a token on the command line is: the environment's is Tupelo's alone.
func (o *importOptions) complete(flags *pflag.FlagSet, args []string) error {
	files, spicedb, backup := len(args) > 0, o.spicedb.addr != "", o.backup != ""
	if !spicedb {
		for _, name := range []string{"from-insecure", "from-tls-ca", "from-tls-server-name"} {
			if flags.Changed(name) {
				return usagef("import: --%s needs --from-spicedb", name)
			}
		}
	}
	for _, name := range offlineFlags {
		if flags.Changed(name) {
			return usagef("import: --%s needs --offline", name)
		}
	}
	_, _, notAddress := net.SplitHostPort(o.spicedb.addr)
	switch {
	case spicedb && notAddress != nil:
		return usagef("import: --from-spicedb %q is not host:port", o.spicedb.addr)
	case o.spicedb.insecure && (o.spicedb.caFile != "" || o.spicedb.tlsServer != ""):
		return usagef("import: --from-insecure contradicts --from-tls-ca and --from-tls-server-name")
	case !files && !spicedb && !backup:
		return usagef("import: say what: files, --from-spicedb or --from-backup")
	case files && spicedb || files && backup || spicedb && backup:
		return usagef("import: files, --from-spicedb and --from-backup are imported one at a time")
	case files && (o.origin != originOptions{}):
		return usagef("import: --dry-run, --replace-schema and --resume are for --from-spicedb and --from-backup")
	case !files && flags.Changed("format"):
		return usagef("import: --format is for files of tuples")
	case o.inFlight < 1:
		return usagef("--in-flight must be at least 1")
	}
	if token := flags.Lookup("token"); o.spicedb.token == "" && token.Changed {
		o.spicedb.token = token.Value.String()
	}
	var err error
	o.spicedb.timeout, err = flags.GetDuration("timeout")
	return err
}

// again says how to go on after an import that failed.
func (o *importOptions) again() string {
	if o.origin.resume != "" {
		return "the same command goes on from there"
	}
	return "the import can be repeated"
}

// run imports what is asked for.
func (i *importer) run(ctx context.Context, o *importOptions, args []string) error {
	if len(args) > 0 {
		return i.files(ctx, args, o.format.value)
	}
	if o.backup != "" {
		return i.backup(ctx, o)
	}
	server, err := o.spicedb.dial()
	if err != nil {
		return situated{"--from-spicedb", err}
	}
	defer server.conn.Close()
	from, err := openSpiceDB(ctx, server, o.spicedb.addr)
	if err != nil {
		return err
	}
	return i.from(ctx, from, o.origin)
}

// files imports one file after the other: the schema of a fixture must not
// overtake tuples that were before it.
func (i *importer) files(ctx context.Context, paths []string, format string) error {
	for _, path := range paths {
		var err error
		if format == formatYAML || format == formatAuto && isFixture(path) {
			err = i.fixture(ctx, path)
		} else {
			err = i.lines(ctx, path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (i *importer) lines(ctx context.Context, path string) error {
	file, name, err := i.terminal.open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	// A server that is not there, or has no schema, is told of before anything
	// is read, and without trying again and again.
	if _, err := i.client.ReadSchema(ctx, &tupelov1.ReadSchemaRequest{}); err != nil {
		return err
	}
	return i.tuples(ctx, tupleLines(file), name)
}

func (i *importer) fixture(ctx context.Context, path string) error {
	f, err := i.terminal.readFixture(path)
	if err != nil {
		return err
	}
	if _, err := i.client.WriteSchema(ctx, &tupelov1.WriteSchemaRequest{Text: f.schema}); err != nil {
		return situated{f.place, err}
	}
	return i.tuples(ctx, fixtureTuples(f.Fixture), f.name)
}

// fixtureFile is a fixture, the name of its file, and its schema as one text, with
// the file that it stands in.
type fixtureFile struct {
	*fixture.Fixture
	name, place, schema string
}

func (t *terminal) readFixture(path string) (*fixtureFile, error) {
	content, name, err := t.readFile(path)
	if err != nil {
		return nil, err
	}
	f, err := fixture.Read(name, string(content))
	if err != nil {
		return nil, mistakes("the fixture", err)
	}
	place, text, err := fixtureSchema(f, name, besides(path))
	if err != nil {
		return nil, err
	}
	if len(f.Assertions)+len(f.Expected) > 0 && !t.quiet {
		t.notef("%s: its assertions and expected lists are for validate", name)
	}
	return &fixtureFile{f, name, place, text}, nil
}

// fixtureSchema returns the schema of a fixture as one text, and the file that it
// stands in.
func fixtureSchema(f *fixture.Fixture, name string, read func(path string) (string, error)) (place, text string, err error) {
	loaded, err := f.LoadSchema(read)
	if err != nil {
		return "", "", mistakes("the schema", err)
	}
	place, text = name, f.Schema
	if f.SchemaFile != "" {
		place = filepath.Join(filepath.Dir(name), f.SchemaFile)
		if text, err = read(path.Clean(f.SchemaFile)); err != nil {
			return "", "", err
		}
	}
	if importsFiles(text) {
		text = schema.Format(loaded)
	}
	return place, text, nil
}

// fixtureTuples yields the tuples of a fixture, with their lines in its file.
func fixtureTuples(f *fixture.Fixture) iter.Seq2[tupleLine, error] {
	return func(yield func(tupleLine, error) bool) {
		for _, r := range f.Relationships {
			t, err := tupleMessage(r.Tuple)
			if !yield(tupleLine{number: r.Pos.Line, tuple: t}, err) {
				return
			}
		}
	}
}

// isFixture tells the kind of a file by its name.
func isFixture(path string) bool {
	ext := strings.ToLower(filepath.Ext(path))
	return ext == ".yaml" || ext == ".yml"
}

// importReport is what --json prints.
type importReport struct {
	Tuples int64  `json:"tuples"` // by this command
	Zookie string `json:"zookie"`
	// Total is how many relationships a SpiceDB or a backup had, those of an import
	// that this one went on with among them.
	Total int64 `json:"total,omitempty"`
}

// finish prints what was done. Batches overtake each other, so the zookie of
// none of them covers the others; that of a fully consistent read covers all.
func (i *importer) finish(ctx context.Context) error {
	response, err := i.client.ReadSchema(ctx, &tupelov1.ReadSchemaRequest{Consistency: newest()})
	if err != nil {
		return fmt.Errorf("all tuples are imported; finding a zookie for them: %w", err)
	}
	t := i.terminal
	report := importReport{Tuples: i.imported.Load(), Zookie: response.Zookie}
	if i.journey != nil {
		if err := i.verify(ctx, response.Zookie); err != nil {
			return err
		}
		report.Total = i.journey.passed.Tuples
	}
	switch imported := report.Tuples; {
	case t.json:
		return t.object(report)
	case t.quiet:
		t.printf("%s\n", response.Zookie)
	default:
		t.printf("imported %s\nzookie %s\n", plural(imported, "tuple"), response.Zookie)
	}
	return nil
}
