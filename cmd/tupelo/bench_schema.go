package main

import (
	"github.com/spf13/cobra"

	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/bench/target"
)

// newBenchSchemaCommand prints what a server must know that bench cannot tell it.
func newBenchSchemaCommand(t *terminal) *cobra.Command {
	kind := choice{value: "native", among: target.Names()}
	cmd := &cobra.Command{
		Use:   "schema DATA-SET",
		Short: "Print the schema of a data set, in the language of a target",
		Long: `Print the schema of a data set of bench, in the language of a target. All but keto
are given it by bench; Keto reads it from the file that its configuration names.`,
		Example: "  tupelo bench schema gitclub\n  tupelo bench schema gitclub --target keto > namespaces.keto.ts",
		Args:    arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			set, err := dataset.Open(args[0], 1, 0)
			if err != nil {
				return usagef("bench schema: %v", err)
			}
			text, err := target.Schema(kind.value, set)
			if err != nil {
				return err
			}
			if t.json {
				return t.object(struct {
					Target string `json:"target"`
					Schema string `json:"schema"`
				}{kind.value, text})
			}
			t.printf("%s", text)
			return nil
		},
	}
	cmd.Flags().Var(&kind, "target", "in whose language")
	return cmd
}
