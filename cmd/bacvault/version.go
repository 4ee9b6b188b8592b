package main

import (
	"context"
	"fmt"
	"io"
	"runtime"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/spf13/cobra"
)

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Say which release this is", Example: "  bacvault version -o json", Args: cobra.NoArgs,
		RunE: c.does(func(context.Context, []string) error {
			v := struct {
				Version string `json:"version"`
				Go      string `json:"go"`
			}{app.BuildVersion(), runtime.Version()}
			return c.print(v, func(w io.Writer) { fmt.Fprintln(w, v.Version) })
		}),
	}
}
