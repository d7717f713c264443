// Package tupelo_test holds the house: tests about the code as a whole, which
// no package could hold for itself. Each rule is a function from the parsed
// sources to what it objects to; TestEachRuleObjectsToWhatItForbids shows each
// of them a house that breaks it.
package tupelo_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

const module = "github.com/tupelodb/tupelo"

// Limits of the house.
const (
	maxFileLines        = 600
	maxFunctionLines    = 70
	maxInterfaces       = 11 // rewrite's grouped: who wraps a Reader must not promote what is kept of groups; load.Target: servers of several makes
	maxInterfaceMethods = 5
	maxImportDepth      = 5
)

// edge allows an import, and says why.
type edge struct{ to, why string }

// everything stands in for a list of all packages.
const everything = "*"

// imports says which packages of ours the code of a folder may import. What is
// not here is not allowed; what is here must be used.
var imports = map[string][]edge{
	"store/tuple": nil, // the nouns know nobody
	"schema": {
		{"schema/caveat", "caveats are part of the language, and a program holds them compiled"},
	},
	"internal/broken":  nil, // names
	"internal/durable": nil, // about file systems
	"internal/golden":  nil, // about files of tests
	"internal/ports":   nil, // what it takes is the machine's
	"raft": { // beside that nothing: commands are bytes, and the state machine is an interface of its own
		{"internal/broken", "tests of the whole break its promises"},
		{"internal/durable", "its directories survive a loss of power"},
	},
	"raft/sim":         nil, // tests only
	"raft/sim/history": nil, // a history is judged without what made it
	"raft/sim/registers": {
		{"api/tupelov1", "it spells registers in the protocol's messages"},
		{"raft/sim/history", "it says what they are"},
	},
	"store": {
		{"internal/broken", "tests of the whole break its promises"},
		{"internal/durable", "its directories survive a loss of power"},
		{"store/tuple", "it keeps tuples; type and relation ids are all it knows of the language"},
		{"store/tupleset", "it reads through the cache, and its apply ends what is cached"},
	},
	"store/tupleset": {{"store/tuple", "tuplesets are made of subjects, which are listed in pages"}},
	"rewrite": {
		{"schema", "it evaluates the programs that schemas compile to"},
		{"schema/caveat", "it asks the compiled caveats of a program"},
		{"store/tupleset", "it finds out what groups subjects are in, which is kept there"},
		{"store/tuple", "questions and answers are about objects and subjects; it reads through an interface of its own"},
	},
	"api/tupelov1": nil, // generated
	"api/peerv1":   nil, // generated
	"api/cert":     nil, // certificates are files
	"api/codec":    nil, // it is told of messages by those who know them
	"api/codec/codectest": {
		{"api/codec", "it holds fast paths to the library"},
	},
	"api/peer": {
		{"api/cert", "what the connections between nodes are secured by"},
		{"api/peerv1", "what nodes ask each other"},
		{"raft", "members are spelled as the log spells them, and what the log asks of other nodes is answered here"},
	},
	"api": {
		{"api/cert", "clients are shown the newest certificate"},
		{"api/codec", "the messages of checks have fast paths"},
		{"api/tupelov1", "the protocol's messages, which stay in api"},
		{"internal/broken", "tests of the whole break its promises"},
		{"rewrite", "it answers checks and expands"},
		{"schema", "it reads, checks and compiles the schemas that are written"},
		{"store", "it takes snapshots and makes commands; the log that applies them is an interface of its own"},
		{"store/tuple", "it turns names into ids and back"},
	},
	"api/authzed": {
		{"api", "what the other protocol asks for is what the handlers do"},
		{"api/codec", "the messages of checks and relationships have fast paths"},
		{"api/tupelov1", "the handlers' messages"},
		{"schema", "schemas are described and compared by their trees, and traces speak of their names and caveats"},
	},
	"api/authzed/backup": {
		{"api/tupelov1", "relationships are read as tuples of the protocol, and written from them"},
		{"schema", "a file that leaves expirations out is refused if its schema has any"},
	},
	"validate": {
		{"rewrite", "it asks assertions, expands lists, and explains what does not hold"},
		{"schema", "it compiles the fixture's schema, and what is left of it without a part"},
		{"schema/fixture", "what it runs"},
		{"store", "a fixture's tuples are stored as a server would, in memory"},
		{"store/tuple", "it turns names into ids and back"},
	},
	"replica": {
		{"api", "it has a server for its tuples"},
		{"api/peer", "other nodes reach it by a port"},
		{"api/tupelov1", "checks in process are the API's"},
		{"internal/durable", "its directories survive a loss of power"},
		{"raft", "it is a member of a log"},
		{"store", "it holds the tuples"},
		{"store/tuple", "it spells what an offline import has loaded"},
	},
	"cmd/tupelo":             {{everything, "serve is the one place where everything is wired"}},
	"cmd/tupelo/clustertest": nil, // tests only
	"cmd/tupelo/zedtest":     nil, // tests only
	"cmd/tupelo/spicedbtest": nil, // tests only
	"bench": {
		{"api/tupelov1", "it measures what clients see"},
		{"bench/dataset", "it asks about GitClub"},
		{"store/tuple", "its data sets are tuples"},
	},
	"bench/dataset": {{"store/tuple", "its data sets are tuples"}},
	"bench/target": {
		{"api/tupelov1", "one of the protocols is Tupelo's"},
		{"bench/dataset", "what servers are asked"},
		{"bench/load", "who asks says what a target is"},
		{"replica", "one of the servers is in the process that measures"},
		{"schema", "other makes have the same schema in a language of their own"},
		{"store/tuple", "questions and answers are about tuples"},
	},
	"bench/load": {
		{"bench/dataset", "what is asked, and what the right answers are"},
		{"store/tuple", "data sets are streams of tuples"},
	},
	"bench/peer": { // what is measured is started as any program is
		{"internal/ports", "the servers of others are told where to listen"},
	},
	"bench/report": {
		{"bench/load", "a report is of its results"},
	},
	"bench/compare": {
		{"bench/dataset", "it names the data sets that are asked about"},
		{"bench/load", "a comparison is many of its runs"},
		{"bench/peer", "it has everybody started and stopped"},
		{"bench/report", "what comes out is one"},
	},
	"bench/cluster": {{everything, "it wires whole replicas, as serve does, and stands beside the house"}},

	"schema/caveat": nil, // conditions are about values
	"schema/fixture": {
		{"schema", "a fixture holds a schema, and its problems are shown as those of schemas are"},
		{"store/tuple", "relationships and assertions are tuples in text form"},
	},
	"schema/schematest": {
		{"schema", "it makes random schemas for property tests"},
	},
	"rewrite/oracle": {
		{"schema", "it evaluates the schema's own tree, not the compiled program, so that it can disagree"},
		{"store/tuple", "it is asked about named tuples"},
	},
	"rewrite/rewritetest": {
		{"rewrite/oracle", "it says by the oracle's truths whether the tuples of a random world count"},
		{"schema", "it gives a schema the numbers that a store would"},
		{"store/tupleset", "its tuples can have groups kept, as a store has"},
		{"store/tuple", "it holds tuples in memory for the evaluator to read"},
	},

	"examples/gitclub": {
		{"api/tupelov1", "a service is a client"},
		{"schema/fixture", "its tuples and assertions are a fixture's"},
		{"store/tuple", "they are tuples in text form"},
	},
	"examples/gitclub/web": {
		{"api/tupelov1", "a service is a client"},
		{"examples/gitclub", "what both services share"},
		{"store/tuple", "the id that stands for everybody"},
	},
	"examples/gitclub/jobs": {
		{"api/peer", "other nodes reach its replica by a port"},
		{"api/tupelov1", "a service is a client"},
		{"examples/gitclub", "what both services share"},
		{"replica", "it can have a replica in its own process"},
	},
	"examples/gitclub/gitclubtest": {
		{"api", "it runs a whole node in the test's process"},
		{"api/tupelov1", "it stands between a service and its node"},
		{"examples/gitclub", "it loads the schema and tuples"},
		{"raft", "it runs a whole node in the test's process"},
		{"store", "it runs a whole node in the test's process"},
	},
	"examples/gitclub/assert": {{"examples/gitclub", "the assertions"}},
	"examples/gitclub/rounds": {{"examples/gitclub", "the schema and tuples to load"}},
}

// testImports says what the tests of a folder may import beyond what its code may.
var testImports = map[string][]edge{
	"bench/report":       {{"internal/golden", "its golden files"}},
	"bench/load":         {{"internal/golden", "its golden files"}},
	"api/authzed/backup": {{"internal/golden", "its golden files"}},
	"store":              {{"internal/golden", "its golden files"}},
	"schema/caveat":      {{"internal/golden", "its golden files"}},
	"schema": {
		{"internal/golden", "its golden files"},
		{"schema/schematest", "random schemas"},
	},
	"rewrite": {
		{"internal/golden", "its golden files"},
		{"rewrite/oracle", "the evaluator must agree with it"},
		{"rewrite/rewritetest", "tuples in memory"},
		{"schema/schematest", "random schemas"},
	},
	"api": {
		{"api/codec/codectest", "its fast paths are held to the library"},
		{"internal/golden", "its golden files"},
		{"rewrite/oracle", "what the handlers answer at any revision must agree with it"},
		{"rewrite/rewritetest", "random tuples"},
		{"schema/schematest", "random schemas"},
	},
	"api/peer": {{"api/tupelov1", "the calls that are forwarded"}},
	"api/authzed": {
		{"api/codec/codectest", "its fast paths are held to the library"},
		{"internal/golden", "its golden files"},
		{"replica", "it runs a whole node in the test's process"},
		{"schema/schematest", "random schemas"},
		{"rewrite/rewritetest", "random tuples"},
	},
	"raft/sim": {
		{"api", "it runs whole nodes in the test's process"},
		{"api/tupelov1", "its clients speak the protocol"},
		{"internal/broken", "each promise is broken, and must be missed"},
		{"raft", "it runs whole nodes in the test's process"},
		{"raft/sim/history", "the rules that what its clients saw must keep"},
		{"raft/sim/registers", "what its clients write and read"},
		{"replica", "it runs whole replicas in the test's process"},
		{"store", "it runs whole nodes in the test's process"},
	},
	"cmd/tupelo/clustertest": {
		{"api/tupelov1", "its clients speak the protocol"},
		{"internal/ports", "nodes that begin together know each other's addresses"},
		{"raft/sim/history", "the rules that what its clients saw must keep"},
		{"raft/sim/registers", "what its clients write and read"},
	},
	"cmd/tupelo/spicedbtest": {
		{"rewrite/rewritetest", "random tuples"},
		{"schema", "random schemas are written as texts"},
		{"schema/schematest", "random schemas"},
	},
	"bench": {
		{"api", "it measures a whole node in process"},
		{"api/authzed", "it measures what clients of SpiceDB see"},
		{"raft", "it measures a whole node in process"},
		{"rewrite", "it measures checks without the network"},
		{"schema", "it measures checks without the network"},
		{"replica", "the node that other processes measure is as serve has it"},
		{"store", "it measures checks, writes and bytes on disk without the network"},
	},
	"bench/target": {
		{"api", "it serves Tupelo's protocols"},
		{"api/authzed", "it serves the other protocol"},
		{"internal/golden", "its golden files"},
	},
	"bench/dataset": {
		{"rewrite/oracle", "the answers that it says are right must agree with it"},
		{"schema", "the oracle asks for a schema's tree"},
	},
	"bench/compare": {{"bench/target", "it asks a replica in the test's process"}},
	"validate": {
		{"rewrite/rewritetest", "random tuples"},
		{"schema/schematest", "random schemas"},
	},
	"replica": {
		{"internal/broken", "the order of the apply is broken, and must be missed"},
		{"internal/ports", "nodes that are closed are opened again where they were"},
		{"rewrite/oracle", "what nodes with different caches answer must agree with it"},
		{"rewrite/rewritetest", "random tuples"},
		{"schema", "the schemas of random worlds, and their contexts"},
		{"schema/schematest", "random schemas"},
		{"store/tuple", "tuples in text form"},
	},
	"docs": {
		{"internal/ports", "the cluster that pages invite to has ports of its own"},
		{"schema", "the schemas that pages show are parsed"},
	},
	"examples/gitclub": {
		{"examples/gitclub/gitclubtest", "a node to ask the assertions"},
		{"schema", "the permissions that there must be assertions for"},
	},
	"examples/gitclub/assert": {
		{"api/tupelov1", "the test changes what is stored"},
		{"examples/gitclub/gitclubtest", "a node to ask"},
	},
	"examples/gitclub/web":    {{"examples/gitclub/gitclubtest", "a node to write to"}},
	"examples/gitclub/jobs":   {{"examples/gitclub/gitclubtest", "a node to ask"}},
	"examples/gitclub/rounds": {{"examples/gitclub/gitclubtest", "a node, and one that lags"}},
}

// territory says where a module from outside may be imported by code (tests may
// import what they like), so that none spreads: protobuf and gRPC stay at the
// edge, Pebble below store and raft, and hashicorp/raft behind raft.
type territory struct {
	prefix  string
	folders []string
	why     string
}

var territories = []territory{
	{"cel.dev/cel-go", []string{"schema/caveat"}, "one package knows in which language conditions are written"},
	{"github.com/cockroachdb/pebble/v2/vfs", []string{"internal/durable", "store", "raft", "validate", "replica", "cmd/tupelo", "bench/cluster", "bench/target", "examples/gitclub/gitclubtest"}, "files, so that tests can crash them or keep them in memory"},
	{"github.com/cockroachdb/pebble/v2", []string{"store", "raft"}, "the state database and the log"},
	{"github.com/cockroachdb/errors/oserror", []string{"internal/durable", "raft", "replica"}, "the errors of Pebble's file systems"},
	{"github.com/hashicorp/raft-autopilot", []string{"replica"}, "who looks after the members decides by its rules"},
	{"github.com/hashicorp/go-hclog", []string{"raft", "replica"}, "hashicorp's own log, which is silenced or handed on"},
	{"github.com/hashicorp/raft", []string{"raft", "api/peer", "replica"}, "nobody else knows which raft it is; the port between nodes carries its stream, and one of its types is in how that is dialled; autopilot turns the log by its types"},
	{"github.com/hashicorp/", []string{"raft"}, "nobody else knows which raft it is"},
	{"github.com/authzed/authzed-go", []string{"api/authzed", "bench/target"}, "one package serves the other protocol, one measures who does"},
	{"github.com/openfga/api/proto", []string{"bench/target"}, "what OpenFGA is asked with"},
	{"github.com/ory/keto/proto", []string{"bench/target"}, "what Keto is asked with"},
	{"github.com/HdrHistogram/hdrhistogram-go", []string{"bench/load", "bench/report"}, "latencies, in a form that others read"},
	{"github.com/golang/snappy", []string{"api/authzed/backup"}, "how zed compresses its backups"},
	{"github.com/grpc-ecosystem/grpc-gateway", []string{"api/authzed"}, "that protocol's HTTP form"},
	{"github.com/google/go-cmp", []string{"internal/golden"}, "differences of texts, for tests"},
	{"google.golang.org/grpc", []string{"api", "api/authzed", "api/codec", "api/codec/codectest", "api/tupelov1", "api/peer", "api/peerv1", "replica", "cmd/tupelo", "bench", "bench/cluster", "bench/load", "bench/peer", "bench/target", "examples"}, "the edge and its clients"},
	{"google.golang.org/protobuf", []string{"api", "api/authzed", "api/authzed/backup", "api/codec", "api/codec/codectest", "api/tupelov1", "api/peer", "api/peerv1", "cmd/tupelo", "bench", "bench/cluster", "bench/target"}, "messages stay at the edge"},
	{"google.golang.org/genproto", []string{"api", "api/authzed", "api/tupelov1", "api/peer", "cmd/tupelo", "bench"}, "details of errors"},
	{"github.com/anishathalye/porcupine", []string{"raft/sim/history"}, "one package judges whether histories are linearizable"},
	{"github.com/prometheus/client_golang", []string{"api", "cmd/tupelo"}, "metrics are served at the edge"},
	{"go.opentelemetry.io/", []string{"api", "api/peer", "cmd/tupelo"}, "traces begin and end at the edge"},
	{"github.com/spf13/", []string{"cmd/tupelo"}, "flags and configuration"},
	{"go.yaml.in/yaml/v3", []string{"cmd/tupelo", "schema/fixture"}, "configuration and fixtures"},
	{"golang.org/x/", []string{everything}, "the standard library's annex"},
}

// vague are names that say nothing about what is in a package or a type.
var vague = []string{"util", "utils", "common", "helper", "helpers", "shared", "misc", "manager"}

// source is one parsed file.
type source struct {
	path      string // from the root, with slashes
	file      *ast.File
	fset      *token.FileSet
	lines     int
	test      bool
	generated bool
}

func (s source) folder() string { return path.Dir(s.path) }

// product reports whether people wrote the file for more than tests.
func (s source) product() bool { return !s.test && !s.generated }

func (s source) at(node ast.Node) string {
	return fmt.Sprintf("%s:%d", s.path, s.fset.Position(node.Pos()).Line)
}

// house is everything that was parsed.
type house []source

// rule is a test on a house; it returns what it objects to.
type rule struct {
	name  string
	check func(house) []string
}

var rules = []rule{
	{"packages import only what the map allows", checkImports},
	{"the map of imports is no wider than the house", checkMapIsUsed},
	{"imports nest at most five deep", checkImportDepth},
	{"modules from outside stay in their places", checkTerritories},
	{"files and functions stay small", checkSizes},
	{"every package introduces itself in doc.go", checkPackageComments},
	{"exported identifiers are documented", checkDocumented},
	{"no name is vague", checkNames},
	{"interfaces are few and small", checkInterfaces},
	{"status codes are chosen in the tables of the edge alone", checkStatusCodes},
	{"exported errors stand in errors.go", checkErrorsFile},
	{"nothing runs before main", checkNoInit},
}

func TestTheHouseKeepsItsRules(t *testing.T) {
	h := parseHouse(t)
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, objection := range r.check(h) {
				t.Error(objection)
			}
		})
	}
}

func parseHouse(t *testing.T) house {
	t.Helper()
	var h house
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			hidden := strings.HasPrefix(entry.Name(), ".") && name != "."
			if hidden || entry.Name() == "testdata" || name == "bin" || name == "data" {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		s, err := parseSource(filepath.ToSlash(name), string(text))
		h = append(h, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(h) < 50 {
		t.Fatalf("found only %d files: this test must run at the root of the repository", len(h))
	}
	return h
}

func parseSource(name, text string) (source, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, parser.ParseComments)
	if err != nil {
		return source{}, err
	}
	return source{
		path: name, file: file, fset: fset,
		lines:     strings.Count(text, "\n"),
		test:      strings.HasSuffix(name, "_test.go"),
		generated: ast.IsGenerated(file),
	}, nil
}

// imported returns the paths that a file imports, ours and others'.
func (s source) imported() (ours, others []string) {
	for _, spec := range s.file.Imports {
		name, _ := strconv.Unquote(spec.Path.Value)
		first, _, _ := strings.Cut(name, "/")
		switch {
		case name == module || strings.HasPrefix(name, module+"/"):
			ours = append(ours, strings.TrimPrefix(strings.TrimPrefix(name, module), "/"))
		case strings.Contains(first, "."):
			others = append(others, name)
		}
	}
	return ours, others
}

func checkImports(h house) (objections []string) {
	for _, s := range h {
		allowed, known := imports[s.folder()]
		if !known && s.folder() != "." && !s.test {
			objections = append(objections, fmt.Sprintf("%s: package %s is not in the map of imports; "+
				"say in house_test.go what it may import, and why", s.path, s.folder()))
			continue
		}
		ours, _ := s.imported()
		for _, to := range ours {
			if to == s.folder() || allows(allowed, to) || s.test && allows(testImports[s.folder()], to) {
				continue
			}
			objections = append(objections, fmt.Sprintf("%s: %s must not import %s; "+
				"if it should, the map in house_test.go is the place to say why", s.path, s.folder(), to))
		}
	}
	return objections
}

func allows(edges []edge, to string) bool {
	return slices.ContainsFunc(edges, func(e edge) bool { return e.to == to || e.to == everything })
}

// checkMapIsUsed keeps the map true: an edge that nobody needs is an invitation.
func checkMapIsUsed(h house) (objections []string) {
	used := make(map[[2]string]bool)
	there := make(map[string]bool)
	for _, s := range h {
		there[s.folder()] = true
		ours, _ := s.imported()
		for _, to := range ours {
			used[[2]string{s.folder(), to}] = true
		}
	}
	for _, table := range []map[string][]edge{imports, testImports} {
		for from, edges := range table {
			for _, e := range edges {
				if there[from] && e.to != everything && !used[[2]string{from, e.to}] {
					objections = append(objections, fmt.Sprintf("%s does not import %s any more: take the edge out of the map", from, e.to))
				}
			}
		}
	}
	slices.Sort(objections)
	return objections
}

func checkImportDepth(h house) (objections []string) {
	below := make(map[string][]string)
	for _, s := range h {
		if !s.test {
			ours, _ := s.imported()
			below[s.folder()] = append(below[s.folder()], ours...)
		}
	}
	depths := make(map[string]int)
	var depth func(folder string) int
	depth = func(folder string) int {
		if depths[folder] == 0 {
			depths[folder] = 1 // also ends a cycle, which the compiler refuses anyway
			for _, to := range below[folder] {
				depths[folder] = max(depths[folder], depth(to)+1)
			}
		}
		return depths[folder]
	}
	for folder := range below {
		if slices.ContainsFunc(imports[folder], func(e edge) bool { return e.to == everything || e.to == "replica" }) {
			continue // the roof: what wires the storeys, or has that done, is none
		}
		if d := depth(folder); d > maxImportDepth {
			objections = append(objections, fmt.Sprintf("%s stands on %d storeys of packages, itself included; at most %d are allowed", folder, d, maxImportDepth))
		}
	}
	slices.Sort(objections)
	return objections
}

func checkTerritories(h house) (objections []string) {
	for _, s := range h {
		if s.test {
			continue
		}
		_, others := s.imported()
		for _, name := range others {
			i := slices.IndexFunc(territories, func(t territory) bool { return strings.HasPrefix(name, t.prefix) })
			if i < 0 {
				objections = append(objections, fmt.Sprintf("%s: no territory in house_test.go says where %s may be imported, and why", s.path, name))
			} else if !territories[i].holds(s.folder()) {
				objections = append(objections, fmt.Sprintf("%s: %s is for %s only: %s", s.path, name, strings.Join(territories[i].folders, ", "), territories[i].why))
			}
		}
	}
	return objections
}

// holds reports whether a folder is in the territory. Examples are so with all
// that is below them.
func (t territory) holds(folder string) bool {
	return slices.ContainsFunc(t.folders, func(f string) bool {
		return f == everything || f == folder || f == "examples" && strings.HasPrefix(folder, "examples/")
	})
}

func checkSizes(h house) (objections []string) {
	for _, s := range h {
		if !s.product() {
			continue
		}
		if s.lines > maxFileLines {
			objections = append(objections, fmt.Sprintf("%s has %d lines; %d are allowed: give one of its subjects a file of its own", s.path, s.lines, maxFileLines))
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			name := "a function literal"
			switch f := node.(type) {
			case *ast.FuncDecl:
				name = f.Name.Name
			case *ast.FuncLit:
			default:
				return true
			}
			if n := s.fset.Position(node.End()).Line - s.fset.Position(node.Pos()).Line + 1; n > maxFunctionLines {
				objections = append(objections, fmt.Sprintf("%s: %s has %d lines; %d are allowed: it does more than one thing", s.at(node), name, n, maxFunctionLines))
			}
			return true
		})
	}
	return objections
}

func checkPackageComments(h house) (objections []string) {
	introduced := make(map[string]bool)
	for _, s := range h {
		if s.product() && s.file.Doc != nil && (path.Base(s.path) == "doc.go" || s.file.Name.Name == "main") {
			introduced[s.folder()] = true
		}
	}
	for _, s := range h {
		if folder := s.folder(); s.product() && !introduced[folder] {
			introduced[folder] = true // once is enough
			objections = append(objections, fmt.Sprintf("%s has no doc.go with a package comment: what it is, what it is not, its invariants, what to read next", folder))
		}
	}
	return objections
}

// understood are methods whose meaning an interface of the standard library has given.
var understood = []string{"Error", "Unwrap", "Is", "As", "String"}

func checkDocumented(h house) (objections []string) {
	for _, s := range h {
		if !s.product() {
			continue
		}
		object := func(node ast.Node, name string) {
			objections = append(objections, fmt.Sprintf("%s: %s is exported and has no comment", s.at(node), name))
		}
		for _, declaration := range s.file.Decls {
			switch d := declaration.(type) {
			case *ast.FuncDecl:
				hidden := d.Recv != nil && (!ast.IsExported(receiver(d)) || slices.Contains(understood, d.Name.Name))
				if d.Name.IsExported() && d.Doc == nil && !hidden {
					object(d, d.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					for _, name := range undocumented(d, spec) {
						object(spec, name)
					}
				}
			}
		}
	}
	return objections
}

// undocumented returns the exported names of a declaration that nothing is said
// about. What stands above a group speaks for all of it.
func undocumented(d *ast.GenDecl, spec ast.Spec) (names []string) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if spec.Name.IsExported() && d.Doc == nil && spec.Doc == nil && spec.Comment == nil {
			names = append(names, spec.Name.Name)
		}
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			if name.IsExported() && d.Doc == nil && spec.Doc == nil && spec.Comment == nil {
				names = append(names, name.Name)
			}
		}
	}
	return names
}

// receiver returns the name of a method's type.
func receiver(d *ast.FuncDecl) string {
	expr := d.Recv.List[0].Type
	for {
		switch e := expr.(type) {
		case *ast.StarExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.IndexListExpr:
			expr = e.X
		case *ast.Ident:
			return e.Name
		default:
			return ""
		}
	}
}

func checkNames(h house) (objections []string) {
	for _, s := range h {
		if s.generated {
			continue
		}
		parts := slices.Concat(strings.Split(s.folder(), "/"), []string{s.file.Name.Name},
			strings.Split(strings.TrimSuffix(path.Base(s.path), ".go"), "_"))
		for _, part := range parts {
			if slices.Contains(vague, part) {
				objections = append(objections, fmt.Sprintf("%s: %q says nothing about what is in it", s.path, part))
			}
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			if t, ok := node.(*ast.TypeSpec); ok && slices.ContainsFunc(words(t.Name.Name), func(w string) bool { return slices.Contains(vague, w) }) {
				objections = append(objections, fmt.Sprintf("%s: the name of type %s says nothing about what it is", s.at(t), t.Name.Name))
			}
			return true
		})
	}
	return objections
}

var wordEnd = regexp.MustCompile(`[^A-Z]([A-Z])|[A-Z]([A-Z][^A-Z])`)

// words splits a name at its capitals: HTTPManager is http, manager.
func words(name string) []string {
	split := wordEnd.ReplaceAllStringFunc(name, func(s string) string { return s[:1] + " " + s[1:] })
	return strings.FieldsFunc(strings.ToLower(split), func(r rune) bool { return !unicode.IsLetter(r) })
}

func checkInterfaces(h house) (objections []string) {
	var all []string
	for _, s := range h {
		if !s.product() {
			continue
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			t, ok := node.(*ast.TypeSpec)
			if !ok {
				return true
			}
			contract, ok := t.Type.(*ast.InterfaceType)
			if !ok {
				return true
			}
			all = append(all, s.folder()+"."+t.Name.Name)
			if n := contract.Methods.NumFields(); n > maxInterfaceMethods {
				objections = append(objections, fmt.Sprintf("%s: interface %s has %d methods; %d are allowed", s.at(t), t.Name.Name, n, maxInterfaceMethods))
			}
			return true
		})
	}
	if len(all) > maxInterfaces {
		objections = append(objections, fmt.Sprintf("there are %d interfaces, and %d are allowed; use a concrete type, "+
			"or say in DESIGN's seams why there must be one more: %s", len(all), maxInterfaces, strings.Join(all, ", ")))
	}
	return objections
}

// codeTables choose status codes: for clients, for those of the other protocol, and between nodes.
var codeTables = []string{"api/errors.go", "api/authzed/errors.go", "api/peer/errors.go"}

// checkStatusCodes keeps the choice of codes in one table for each kind of caller. Clients, the command
// line and the examples among them, may read the codes that they get.
func checkStatusCodes(h house) (objections []string) {
	for _, s := range h {
		server := !strings.HasPrefix(s.path, "cmd/") && !strings.HasPrefix(s.path, "examples/") && !strings.HasPrefix(s.path, "bench/")
		_, others := s.imported()
		if s.product() && server && !slices.Contains(codeTables, s.path) && slices.Contains(others, "google.golang.org/grpc/codes") {
			objections = append(objections, fmt.Sprintf("%s: status codes are for api/errors.go alone; return an error that its table knows", s.path))
		}
	}
	return objections
}

func checkErrorsFile(h house) (objections []string) {
	for _, s := range h {
		if !s.product() || path.Base(s.path) == "errors.go" {
			continue
		}
		object := func(node ast.Node, name string) {
			objections = append(objections, fmt.Sprintf("%s: %s is an exported error and belongs into %s/errors.go", s.at(node), name, s.folder()))
		}
		for _, declaration := range s.file.Decls {
			switch d := declaration.(type) {
			case *ast.FuncDecl:
				if d.Recv != nil && d.Name.Name == "Error" && ast.IsExported(receiver(d)) && !inErrorsFile(h, s.folder(), receiver(d)) {
					object(d, receiver(d))
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok && d.Tok == token.VAR && strings.HasPrefix(v.Names[0].Name, "Err") {
						object(v, v.Names[0].Name)
					}
				}
			}
		}
	}
	return objections
}

// inErrorsFile reports whether errors.go of a folder declares a type; its methods
// may stand elsewhere.
func inErrorsFile(h house, folder, typeName string) bool {
	return slices.ContainsFunc(h, func(s source) bool {
		return s.path == folder+"/errors.go" && slices.ContainsFunc(s.file.Decls, func(d ast.Decl) bool {
			g, ok := d.(*ast.GenDecl)
			return ok && slices.ContainsFunc(g.Specs, func(spec ast.Spec) bool {
				t, ok := spec.(*ast.TypeSpec)
				return ok && t.Name.Name == typeName
			})
		})
	})
}

func checkNoInit(h house) (objections []string) {
	for _, s := range h {
		if !s.product() {
			continue
		}
		for _, declaration := range s.file.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				objections = append(objections, fmt.Sprintf("%s: init runs before anybody asked for it", s.at(f)))
			}
		}
	}
	return objections
}
