package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// allCommands returns every command of the tree that can be run, by its path.
func allCommands(t *testing.T) []string {
	var paths []string
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.RunE != nil {
			paths = append(paths, strings.TrimPrefix(cmd.CommandPath(), "tupelo "))
		}
		for _, child := range cmd.Commands() {
			walk(child)
		}
	}
	for _, child := range newRootCommand(&terminal{}).Commands() {
		walk(child)
	}
	if len(paths) < 12 {
		t.Fatalf("only the commands %q were found", paths)
	}
	return paths
}

// flagsAfter returns the flags of a command as they are when it runs.
func flagsAfter(t *testing.T, path string, args ...string) (*pflag.FlagSet, error) {
	t.Helper()
	root := newRootCommand(&terminal{})
	cmd, _, err := root.Find(strings.Fields(path))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(*cobra.Command, []string) error { return nil }
	root.SetArgs(append(strings.Fields(path), args...))
	root.SetOut(&bytes.Buffer{})
	root.SetErr(&bytes.Buffer{})
	return cmd.Flags(), root.Execute()
}

// threeValues returns three values that a flag takes, each unlike its neighbour
// and the first unlike the default, as a command line spells them.
func threeValues(t *testing.T, f *pflag.Flag) [3]string {
	switch f.Value.Type() {
	case "bool":
		return [3]string{"true", "false", "true"}
	case "int", "int32":
		return [3]string{"7", "8", "9"}
	case "duration":
		return [3]string{"7s", "8s", "9s"}
	case "size":
		return [3]string{"7KiB", "8KiB", "9KiB"}
	case "string", "stringSlice":
		return [3]string{"first", "second", "third"}
	}
	words := slices.DeleteFunc(strings.Split(f.Value.Type(), "|"), func(w string) bool { return w == f.DefValue })
	if len(words) < 1 {
		t.Fatalf("no values are known for --%s of the type %s", f.Name, f.Value.Type())
	}
	return [3]string{words[0], f.DefValue, words[0]}
}

func value(flags *pflag.FlagSet, name string) string {
	return strings.Trim(flags.Lookup(name).Value.String(), "[]")
}

func TestASettingComesFromItsFlagElseItsVariableElseTheFile(t *testing.T) {
	checked := 0
	for _, path := range allCommands(t) {
		flags, err := flagsAfter(t, path)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		flags.VisitAll(func(f *pflag.Flag) {
			if !isSetting(f) || f.Name == "config" {
				return
			}
			checked++
			t.Run(path+" --"+f.Name, func(t *testing.T) { checkOrder(t, path, f) })
		})
	}
	if checked < 60 {
		t.Errorf("only %d settings were found", checked)
	}
}

func checkOrder(t *testing.T, path string, f *pflag.Flag) {
	values := threeValues(t, f)
	expect := func(want string, args ...string) {
		t.Helper()
		flags, err := flagsAfter(t, path, args...)
		if err != nil {
			t.Fatal(err)
		}
		if got := value(flags, f.Name); got != want {
			t.Errorf("with %q the value is %q, want %q", args, got, want)
		}
	}
	file := writeFile(t, "settings.yaml", f.Name+": "+values[0]+"\n")
	expect(strings.Trim(f.DefValue, "[]"))
	expect(values[0], "--config", file)
	t.Setenv(envName(f.Name), values[1])
	expect(values[1], "--config", file)
	expect(values[1])
	expect(values[2], "--config", file, "--"+f.Name+"="+values[2])
}

func writeFile(t *testing.T, name, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// settings are all there are. What is not here is an argument of one call (C4).
var settings = map[string][]string{
	"everywhere": {"config", "json"},
	"serve": {
		"cache", "data", "drain-limit", "gc-window", "http-addr", "listen", "log-format", "log-level", "max-calls", "max-depth",
		"max-request-size", "max-steps", "max-sub-problems", "memory", "metrics-addr", "otlp-endpoint",
		"record-checks", "tls-cert", "tls-key", "token", "tupleset-cache", "wait-limit",
		"node-id", "raft-addr", "raft-advertise", "join", "bootstrap-expect", "read-replica", "leave-on-stop",
		"peer-ca", "peer-cert", "peer-key", "max-staleness",
	},
	"clients": {"addr", "insecure", "timeout", "tls", "tls-ca", "tls-server-name", "token"},
	"readers": {"consistency"},
}

func TestOnlySettingsComeFromTheEnvironment(t *testing.T) {
	offline := []string{"serve", "version", "cert", "cert ca", "cert node", "cert show", "cluster", "schema", "schema check", "schema fmt", "validate", "list"}
	readers := []string{"check", "expand", "read", "schema read", "schema impact", "list objects", "list subjects", "list relations"}
	for _, path := range allCommands(t) {
		if strings.HasPrefix(path, "completion") || strings.HasPrefix(path, "help") {
			continue
		}
		want := slices.Clone(settings["everywhere"])
		if path == "serve" {
			want = append(want, settings["serve"]...)
		}
		// Which server is put under load is for nobody's environment to say.
		bench := strings.HasPrefix(path, "bench")
		if !slices.Contains(offline, path) && !bench {
			want = append(want, settings["clients"]...)
		}
		if path == "import" {
			// A secret, which does not belong on a command line, and what serve has too.
			want = append(want, "from-token", "data", "node-id")
		}
		if slices.Contains(readers, path) {
			want = append(want, settings["readers"]...)
		}
		slices.Sort(want)
		flags, err := flagsAfter(t, path)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		flags.VisitAll(func(f *pflag.Flag) {
			if isSetting(f) {
				got = append(got, f.Name)
			}
		})
		if !slices.Equal(got, want) {
			t.Errorf("%s has the settings %q, want %q", path, got, want)
		}
	}
}

func TestNoVariableTurnsOneCallIntoAnother(t *testing.T) {
	for _, path := range allCommands(t) {
		flags, err := flagsAfter(t, path)
		if err != nil {
			t.Fatal(err)
		}
		flags.VisitAll(func(f *pflag.Flag) {
			if isSetting(f) || f.Name == "help" {
				return
			}
			t.Run(path+" --"+f.Name, func(t *testing.T) {
				t.Setenv(envName(f.Name), threeValues(t, f)[0])
				after, err := flagsAfter(t, path)
				if err != nil {
					t.Fatal(err)
				}
				if got := after.Lookup(f.Name).Value.String(); got != f.DefValue {
					t.Errorf("the environment has set --%s to %q", f.Name, got)
				}
			})
		})
	}
}

func TestListsOfTokensAreTakenFromEverySource(t *testing.T) {
	file := writeFile(t, "settings.yaml", "token: [one, two]\n")
	for _, test := range []struct {
		env  string
		args []string
		want string
	}{
		{"", []string{"--config", file}, "one,two"},
		{"three,four", []string{"--config", file}, "three,four"},
		{"three,four", []string{"--token", "five", "--token", "six,seven"}, "five,six,seven"},
	} {
		t.Setenv("TUPELO_TOKEN", test.env)
		flags, err := flagsAfter(t, "serve", test.args...)
		if err != nil {
			t.Fatal(err)
		}
		if got := value(flags, "token"); got != test.want {
			t.Errorf("TUPELO_TOKEN=%s %q gives %q, want %q", test.env, test.args, got, test.want)
		}
	}
}

func TestTheFileOfSettingsCanBeNamedByTheEnvironment(t *testing.T) {
	t.Setenv("TUPELO_CONFIG", writeFile(t, "settings.yaml", "addr: tupelo.example:443\n"))
	flags, err := flagsAfter(t, "read")
	if err != nil {
		t.Fatal(err)
	}
	if got := value(flags, "addr"); got != "tupelo.example:443" {
		t.Errorf("the address is %q", got)
	}
}

func TestServerAndClientsShareOneFileOfSettings(t *testing.T) {
	file := writeFile(t, "settings.yaml", "data: /var/lib/tupelo\naddr: localhost:50051\nmetrics-addr: :9090\ntoken: secret\n")
	for _, path := range []string{"serve", "check", "schema read"} {
		flags, err := flagsAfter(t, path, "--config", file)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		} else if got := value(flags, "token"); got != "secret" {
			t.Errorf("%s has the token %q", path, got)
		}
	}
}

func TestWhatIsWrongWithASettingIsToldWithItsName(t *testing.T) {
	for _, test := range []struct{ name, env, file, want string }{
		{"unknown key", "", "metric-addr: :9090", `settings.yaml: unknown setting "metric-addr"; did you mean "metrics-addr"?`},
		{"section", "", "serve: {data: .}", `settings.yaml: unknown setting "serve"`},
		{"empty section", "", "server: {}", `settings.yaml: unknown setting "server"`},
		{"the file itself", "", "config: other.yaml", `settings.yaml: unknown setting "config"`},
		{"an argument", "", "quiet: true", `settings.yaml: unknown setting "quiet"`},
		{"other case", "", "Cache: 1MiB", `settings.yaml: unknown setting "Cache"; did you mean "cache"?`},
		{"no value", "", "cache:", "settings.yaml: cache: has no value"},
		{"bad size", "", "cache: 3 bytes", `settings.yaml: cache: "3 bytes" is not a size`},
		{"bad duration", "", "gc-window: 24", `settings.yaml: gc-window: time: missing unit`},
		{"bad bool", "", "memory: perhaps", `settings.yaml: memory: strconv.ParseBool`},
		{"list", "", "listen: [a, b]", "settings.yaml: listen: takes one value, not a list of 2"},
		{"map", "", "listen: {a: b}", "settings.yaml: listen: takes a plain value"},
		{"list of maps", "", "token: [a, {b: c}]", "settings.yaml: token: item 2: takes a plain value"},
		{"twice", "", "memory: true\nmemory: false", `settings.yaml`},
		{"no mapping", "", "- memory", "settings.yaml"},
		{"bad variable", "much", "cache: 1MiB", `TUPELO_CACHE: "much" is not a size`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("TUPELO_CACHE", test.env)
			_, err := flagsAfter(t, "serve", "--config", writeFile(t, "settings.yaml", test.file+"\n"))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want one with %q", err, test.want)
			}
		})
	}
}

// Kubernetes sets these for a service called tupelo.
func TestVariablesOfNoSettingArePassedOver(t *testing.T) {
	for _, name := range []string{"PORT", "SERVICE_HOST", "SERVICE_PORT", "PORT_50051_TCP_ADDR"} {
		t.Setenv("TUPELO_"+name, "tcp://10.0.0.1:50051")
	}
	if _, err := flagsAfter(t, "serve"); err != nil {
		t.Error(err)
	}
	for _, name := range settingsOf(newRootCommand(&terminal{})) {
		if name == "port" || strings.HasPrefix(name, "port-") || strings.HasPrefix(name, "service-") {
			t.Errorf("Kubernetes may set %s", envName(name))
		}
	}
}

func TestEveryCommandSaysHowToUseIt(t *testing.T) {
	root := newRootCommand(&terminal{})
	for _, path := range allCommands(t) {
		cmd, _, err := root.Find(strings.Fields(path))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(path, "completion") || strings.HasPrefix(path, "help") {
			continue
		}
		if cmd.Short == "" || cmd.Example == "" {
			t.Errorf("%s has no summary or no example", path)
		}
		for line := range strings.Lines(strings.ReplaceAll(cmd.Example, "\\\n", " ")) {
			checkExample(t, strings.TrimSpace(line))
		}
	}
}

// checkExample looks for the flags of an example at the command that it shows,
// which may be one below the command that gives it.
func checkExample(t *testing.T, line string) {
	_, words, ok := strings.Cut(line, "tupelo ")
	if !ok {
		return // a line of the shell's
	}
	command := strings.Fields(words)
	cmd, _, err := newRootCommand(&terminal{}).Find(command)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range command {
		name, _, _ := strings.Cut(word, "=")
		if !strings.HasPrefix(name, "--") {
			continue
		}
		name = strings.TrimPrefix(name, "--")
		if cmd.Flags().Lookup(name) == nil && cmd.InheritedFlags().Lookup(name) == nil {
			t.Errorf("the example %q has a flag --%s that %s does not have", line, name, cmd.CommandPath())
		}
	}
}

func TestSizesAreReadAndSpelled(t *testing.T) {
	for text, want := range map[string]byteSize{
		"0": 0, "1": 1, "1048576": 1 << 20, "512KiB": 512 << 10, "64MiB": 64 << 20, "2GiB": 2 << 30, "3 MiB": 3 << 20,
	} {
		var got byteSize
		if err := got.Set(text); err != nil || got != want {
			t.Errorf("%q is read as %d, %v; want %d", text, got, err, want)
		}
		var again byteSize
		if err := again.Set(got.String()); err != nil || again != got {
			t.Errorf("%q is spelled %q, which is read as %d, %v", text, got.String(), again, err)
		}
	}
	for _, text := range []string{"", "-1", "1.5GiB", "1MB", "MiB", "9999999999GiB", "99999999999999999999", "1 2"} {
		var b byteSize
		if err := b.Set(text); err == nil {
			t.Errorf("%q is taken for %d bytes", text, b)
		}
	}
	if got := fmt.Sprint(new(byteSize)); got != "0" {
		t.Errorf("no bytes are spelled %q", got)
	}
}
