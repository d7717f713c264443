package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// fixtureFiles lists the files that arguments stand for, each once.
func fixtureFiles(args []string) (files []string, err error) {
	for _, arg := range args {
		found, err := filesOf(arg)
		if err != nil {
			return nil, err
		}
		for _, file := range found {
			if !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	return files, nil
}

func filesOf(arg string) ([]string, error) {
	if arg == "-" {
		return []string{arg}, nil
	}
	info, err := os.Stat(arg)
	switch {
	case err == nil && info.IsDir():
		return fixturesUnder(arg)
	case err == nil || !strings.ContainsAny(arg, "*?["):
		return []string{arg}, nil // what is not there is told of in its turn
	}
	matches, err := filepath.Glob(arg)
	if err != nil {
		return nil, usagef("validate: %q is not a pattern: %v", arg, err)
	}
	if len(matches) == 0 {
		return nil, fmt.Errorf("no file is called %s", arg)
	}
	return fixtureFiles(matches)
}

// fixturesUnder lists the fixtures in a folder and those below it.
func fixturesUnder(folder string) (files []string, err error) {
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !isFixture(path) {
			return err
		}
		content, err := os.ReadFile(path)
		if err == nil && mayBeFixture(content) {
			files = append(files, path)
		}
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("there is no fixture in %s: no .yaml or .yml file with a schema or schemaFile", folder)
	}
	return files, err
}

// mayBeFixture tells a fixture from the other YAML files that a folder may hold.
// What is not even YAML is taken, so that it is complained of.
func mayBeFixture(content []byte) bool {
	var parts map[string]yaml.Node
	if yaml.Unmarshal(content, &parts) != nil {
		return strings.Contains(string(content), "schema")
	}
	_, text := parts["schema"]
	_, file := parts["schemaFile"]
	return text || file
}
