package main

import (
	"github.com/spf13/cobra"
)

// newRootCommand returns the tree of all commands.
func newRootCommand(t *terminal) *cobra.Command {
	root := &cobra.Command{
		Use:   "tupelo",
		Short: "A store of relationship tuples that answers who may do what",
		Long: `Tupelo stores relationship tuples ("alice maintains the repository gitclub") and
answers questions about them ("may alice cancel run 42?"), in the manner of the
Zanzibar paper. One binary is the server and its clients.

Settings, marked with the name of their variable in brackets, come from the
flag, else from the environment, else from the YAML file that --config names,
whose keys are the flags' names.

Exit status: 0 for success or yes, 1 for no, 2 for an error, 3 for an answer that
depends on context which was not given.`,
		Example: `  tupelo serve --data ./data
  tupelo schema write gitclub.zed
  tupelo write repository:gitclub#maintainer@user:alice
  tupelo check run:42 cancel user:alice`,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return configure(cmd)
		},
	}
	flags := root.PersistentFlags()
	flags.String("config", "", "YAML file of settings")
	flags.BoolVar(&t.json, "json", false, "print JSON, one object a line; errors too, to standard error")
	flags.BoolVarP(&t.quiet, "quiet", "q", false, "print the bare answer only: yes or no, or a write's zookie")
	markSettings(flags, "config", "json")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usagef("%v", err) })
	root.SetIn(t.in)
	root.SetOut(t.out)
	root.SetErr(t.diag)
	root.AddCommand(
		newServeCommand(t),
		newSchemaCommand(t),
		newCheckCommand(t),
		newExpandCommand(t),
		newListCommand(t),
		newReadCommand(t),
		newWriteCommand(t),
		newDeleteCommand(t),
		newImportCommand(t),
		newExportCommand(t),
		newWatchCommand(t),
		newValidateCommand(t),
		newClusterCommand(t),
		newCertCommand(t),
		newBenchCommand(t),
		newVersionCommand(t),
	)
	return root
}

// arguments asks for at least min arguments and at most max; -1 for any number.
func arguments(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch n := len(args); {
		case n < least:
			return usagef("%s: something is missing: %s", cmd.Name(), cmd.UseLine())
		case most >= 0 && n > most:
			return usagef("%s: unexpected argument %q: %s", cmd.Name(), args[most], cmd.UseLine())
		}
		return nil
	}
}
