package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"

	"github.com/tupelodb/tupelo/schema"
)

// envPrefix begins the environment variable of every setting. Variables with
// the prefix that belong to no setting are passed over: Kubernetes makes some,
// such as TUPELO_PORT, for a service called tupelo. So no setting may be called
// "port" or begin with "port-" or "service-".
const envPrefix = "TUPELO"

// settingMark marks the flags that are settings (C4).
const settingMark = "tupelo_setting"

// markSettings makes settings of flags, and has their help name the variable.
func markSettings(flags *pflag.FlagSet, names ...string) {
	for _, name := range names {
		f := flags.Lookup(name)
		f.Annotations = map[string][]string{settingMark: {"true"}}
		f.Usage += " [" + envName(name) + "]"
	}
}

func isSetting(f *pflag.Flag) bool { return f.Annotations[settingMark] != nil }

// envName returns the variable of a setting: TUPELO_METRICS_ADDR of metrics-addr.
func envName(setting string) string {
	return envPrefix + "_" + strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))
}

// configure gives each setting of cmd that the command line leaves open its
// value from the environment or else from the file that --config names.
func configure(cmd *cobra.Command) error {
	v := viper.New()
	v.SetEnvPrefix(envPrefix)
	v.SetEnvKeyReplacer(strings.NewReplacer("-", "_"))
	v.AutomaticEnv()
	file := cmd.Flags().Lookup("config")
	if err := configureFlag(v, file, ""); err != nil {
		return err
	}
	path := file.Value.String()
	if path != "" {
		if err := readConfig(v, path, settingsOf(cmd.Root())); err != nil {
			return err
		}
	}
	var failed error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if failed == nil && f != file && isSetting(f) {
			failed = configureFlag(v, f, path)
		}
	})
	return failed
}

// configureFlag sets one flag, without marking it as given on the command line.
func configureFlag(v *viper.Viper, f *pflag.Flag, path string) error {
	if f.Changed || !v.IsSet(f.Name) {
		return nil
	}
	source := path + ": " + f.Name
	if os.Getenv(envName(f.Name)) != "" {
		source = envName(f.Name)
	}
	if err := setFlag(f, v.Get(f.Name)); err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	return nil
}

// setFlag sets a flag from a value as YAML or the environment has it.
func setFlag(f *pflag.Flag, value any) error {
	items, isList := value.([]any)
	if !isList {
		text, err := plainText(value)
		if err != nil {
			return err
		}
		return f.Value.Set(text)
	}
	slice, takesList := f.Value.(pflag.SliceValue)
	if !takesList {
		return fmt.Errorf("takes one value, not a list of %d", len(items))
	}
	texts := make([]string, len(items))
	for i, item := range items {
		var err error
		if texts[i], err = plainText(item); err != nil {
			return fmt.Errorf("item %d: %w", i+1, err)
		}
	}
	return slice.Replace(texts)
}

// plainText spells a scalar as it would stand on a command line.
func plainText(value any) (string, error) {
	switch value.(type) {
	case string, bool, int, int64, uint64, float64:
		return fmt.Sprint(value), nil
	}
	return "", fmt.Errorf("takes a plain value, not %v", value)
}

// readConfig reads a configuration file. Every key of it must be a setting of
// some command: server and clients may share one file.
func readConfig(v *viper.Viper, path string, known []string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	var config map[string]any
	if err := yaml.Unmarshal(data, &config); err != nil {
		return fmt.Errorf("reading the configuration %s: %w", path, err)
	}
	for _, key := range slices.Sorted(maps.Keys(config)) {
		if !slices.Contains(known, key) {
			return fmt.Errorf("%s: unknown setting %q%s", path, key, nearest(key, known))
		}
		if config[key] == nil {
			return fmt.Errorf("%s: %s: has no value", path, key)
		}
	}
	return v.MergeConfigMap(config)
}

func nearest(name string, known []string) string {
	if n, ok := schema.Suggest(name, known); ok {
		return fmt.Sprintf("; did you mean %q?", n)
	}
	return ""
}

// settingsOf returns the names of the settings of a command and all below it,
// except --config, which cannot come from the file that it names.
func settingsOf(cmd *cobra.Command) []string {
	names := make(map[string]bool)
	collect := func(f *pflag.Flag) {
		if isSetting(f) && f.Name != "config" {
			names[f.Name] = true
		}
	}
	cmd.PersistentFlags().VisitAll(collect)
	cmd.Flags().VisitAll(collect)
	for _, child := range cmd.Commands() {
		for _, name := range settingsOf(child) {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
