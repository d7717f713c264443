package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/tupelodb/tupelo/api/authzed/backup"
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/replica"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// offlineOptions are what import --offline is asked for.
type offlineOptions struct {
	asked        bool
	data, nodeID string
	schema       string
	memory       byteSize
}

// offlineFlags mean nothing without --offline; nor do data and node-id, but those
// may be settings that serve has too.
var offlineFlags = []string{"data", "node-id", "schema", "sort-memory"}

func (o *offlineOptions) register(flags *pflag.FlagSet) {
	o.memory = 256 << 20
	flags.BoolVar(&o.asked, "offline", false, "put the tuples into a data directory that no server has open")
	flags.StringVar(&o.data, "data", "", "`directory` of --offline, as serve's; made if absent")
	flags.StringVar(&o.nodeID, "node-id", "", "`name` of the node that is to serve it, if it will have one")
	flags.StringVar(&o.schema, "schema", "", "`file` of the schema to begin with, for --offline")
	flags.Var(&o.memory, "sort-memory", "memory for sorting with --offline; what needs more is on disk meanwhile")
}

// completeOffline looks for what can only be a mistake.
func (o *importOptions) completeOffline(flags *pflag.FlagSet, args []string) error {
	for _, name := range []string{
		"from-spicedb", "from-token", "from-insecure", "from-tls-ca", "from-tls-server-name",
		"resume", "dry-run", "in-flight", "addr", "token", "insecure", "tls", "tls-ca", "tls-server-name", "timeout",
	} {
		if flags.Changed(name) {
			return usagef("import: --%s contradicts --offline", name)
		}
	}
	switch {
	case o.offline.data == "":
		return usagef("import: --offline needs --data, the directory that serve will have")
	case len(args) == 0 && o.backup == "":
		return usagef("import: say what: files or --from-backup")
	case len(args) > 0 && o.backup != "":
		return usagef("import: files and --from-backup are imported one at a time")
	case len(args) > 0 && o.origin.replaceSchema:
		return usagef("import: --replace-schema is for --from-backup; --schema and fixtures replace it anyway")
	case o.backup != "" && o.offline.schema != "":
		return usagef("import: --schema contradicts --from-backup, which has a schema")
	case o.backup != "" && flags.Changed("format"):
		return usagef("import: --format is for files of tuples")
	case o.offline.memory == 0:
		return usagef("import: --sort-memory must be above zero")
	}
	return nil
}

// offlineImport is an import under way without a server.
type offlineImport struct {
	terminal *terminal
	into     *replica.Offline
	load     *store.BulkLoad
	bad      badTuples
}

// importOffline puts the tuples of files or of a backup into a directory.
func importOffline(ctx context.Context, t *terminal, o *importOptions, args []string) (err error) {
	i := &offlineImport{terminal: t}
	sources, err := i.sources(o, args)
	defer func() {
		for _, s := range sources {
			err = errors.Join(err, s.close())
		}
	}()
	if err != nil {
		return err
	}
	i.into, err = replica.OpenOffline(ctx, replica.OfflineOptions{Dir: o.offline.data, NodeID: o.offline.nodeID})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, i.into.Close()) }()
	if err := i.takeSchema(ctx, o, sources); err != nil {
		return err
	}
	workers := runtime.GOMAXPROCS(0)
	if i.load, err = i.into.Load(int64(o.offline.memory), workers); err != nil {
		return err
	}
	stop := t.showProgress(i.progress)
	loaded, err := i.run(ctx, sources, workers)
	stop()
	if err != nil {
		return err
	}
	// Its zookie is at the tuples' revision or above.
	there, err := i.into.Client().ReadSchema(ctx, &tupelov1.ReadSchemaRequest{Consistency: newest()})
	if err != nil {
		return err
	}
	names := i.into.Names()
	if err := errors.Join(i.load.Close(), i.into.Finish(ctx)); err != nil {
		return err
	}
	return i.report(loaded, names, there.Zookie)
}

// progress says how far the import is.
func (i *offlineImport) progress(elapsed time.Duration) string {
	tuples, keys := i.load.Progress()
	if keys == 0 {
		return progressText("sorted", int64(tuples), elapsed)
	}
	return fmt.Sprintf("%d tuples sorted, %d%% written", tuples, min(100, 50*keys/max(tuples, 1)))
}

// offlineSource is one file to import.
type offlineSource struct {
	name   string
	schema string // empty if it has none
	place  string // of the schema
	// lines is a file with a tuple on each line; other sources have tuples.
	lines  io.Reader
	tuples iter.Seq2[tupleLine, error]
	close  func() error
}

// sources opens the files, so that one that is not there is told of at once.
func (i *offlineImport) sources(o *importOptions, args []string) (list []*offlineSource, err error) {
	if o.backup != "" {
		s, err := i.backupSource(o.backup)
		if s != nil {
			list = append(list, s)
		}
		return list, err
	}
	for _, path := range args {
		if o.format.value == formatYAML || o.format.value == formatAuto && isFixture(path) {
			f, err := i.terminal.readFixture(path)
			if err != nil {
				return list, err
			}
			list = append(list, &offlineSource{
				name: f.name, schema: f.schema, place: f.place, tuples: fixtureTuples(f.Fixture),
				close: func() error { return nil },
			})
			continue
		}
		file, name, err := i.terminal.open(path)
		if err != nil {
			return list, err
		}
		list = append(list, &offlineSource{name: name, lines: file, close: file.Close})
	}
	return list, nil
}

func (i *offlineImport) backupSource(path string) (*offlineSource, error) {
	file, name, err := i.terminal.open(path)
	if err != nil {
		return nil, err
	}
	s := &offlineSource{name: name, place: name, close: file.Close}
	r, err := backup.NewReader(file)
	if err != nil {
		return s, situated{name, err}
	}
	s.schema = r.Schema()
	s.tuples = backupTuples(r, name)(context.Background(), position{})
	return s, nil
}

// takeSchema sees to it that there is one schema.
func (i *offlineImport) takeSchema(ctx context.Context, o *importOptions, sources []*offlineSource) error {
	wanted := origin{}
	if path := o.offline.schema; path != "" {
		text, name, err := i.terminal.readFile(path)
		if err != nil {
			return err
		}
		wanted = origin{name: name, schema: string(text)}
	}
	for _, s := range sources {
		switch {
		case s.schema == "":
		case wanted.schema != "" && !sameSchema(wanted.schema, s.schema):
			return fmt.Errorf("%s and %s have different schemas; import one of them, and the other through the server", wanted.name, s.place)
		default:
			wanted = origin{name: s.place, schema: s.schema}
		}
	}
	client := &client{TupeloClient: i.into.Client()}
	if wanted.schema != "" {
		online := &importer{terminal: i.terminal, client: client}
		return online.takeSchema(ctx, &wanted, o.backup == "" || o.origin.replaceSchema)
	}
	_, err := client.ReadSchema(ctx, &tupelov1.ReadSchemaRequest{Consistency: newest()})
	if err != nil && describe(err).Reason == tupelov1.ErrorReason_ERROR_REASON_NO_SCHEMA.String() {
		return fmt.Errorf("%s has no schema, and neither do the files: give one with --schema", o.offline.data)
	}
	return err
}

// run reads, sorts and writes all tuples.
func (i *offlineImport) run(caller context.Context, sources []*offlineSource, workers int) (store.BulkLoaded, error) {
	group, ctx := errgroup.WithContext(caller)
	blocks := make(chan block, workers)
	for range workers {
		group.Go(func() error { return i.work(ctx, blocks) })
	}
	group.Go(func() error {
		defer close(blocks)
		for _, s := range sources {
			if s.lines == nil {
				continue
			}
			if err := readBlocks(ctx, s.name, s.lines, blocks); err != nil {
				return err
			}
		}
		return nil
	})
	for _, s := range sources {
		if s.tuples != nil {
			group.Go(func() error { return i.take(ctx, s) })
		}
	}
	err := group.Wait()
	switch {
	case caller.Err() != nil:
		return store.BulkLoaded{}, caller.Err()
	case err != nil:
		return store.BulkLoaded{}, err
	case i.bad.any():
		return store.BulkLoaded{}, i.bad.err()
	}
	return i.load.Finish(caller)
}

// take takes the tuples of a source that yields messages.
func (i *offlineImport) take(ctx context.Context, s *offlineSource) error {
	resolver, err := i.into.Resolver()
	if err != nil {
		return err
	}
	sorter := i.load.Sorter()
	for l, err := range s.tuples {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		t, err := resolver.Message(l.tuple)
		if err != nil {
			i.bad.add(s.name, l.number, err)
			continue
		}
		if err := sorter.Add(t); err != nil {
			return err
		}
	}
	return sorter.End()
}

// offlineReport is what --json prints.
type offlineReport struct {
	Tuples   uint64            `json:"tuples"`
	Repeated uint64            `json:"repeated"` // that came again
	Counts   map[string]uint64 `json:"counts"`   // by kind
	Bytes    uint64            `json:"bytes"`    // of the tables
	Zookie   string            `json:"zookie"`
}

// report prints what is in the directory.
func (i *offlineImport) report(loaded store.BulkLoaded, names *tuple.Names, zookie string) error {
	r := offlineReport{Repeated: loaded.Repeated, Bytes: loaded.Bytes, Zookie: zookie, Counts: make(map[string]uint64)}
	for shape, n := range loaded.Tuples {
		r.Counts[names.ShapeText(shape)] += n
		r.Tuples += n
	}
	t := i.terminal
	switch {
	case t.json:
		return t.object(r)
	case t.quiet:
		t.printf("%s\n", zookie)
		return nil
	}
	for _, kind := range slices.Sorted(maps.Keys(r.Counts)) {
		t.printf("%s %d\n", kind, r.Counts[kind])
	}
	t.printf("imported %s", plural(int64(r.Tuples), "tuple"))
	if r.Repeated > 0 {
		t.printf("; %d more were repetitions", r.Repeated)
	}
	t.printf("\nzookie %s\n", zookie)
	return nil
}
