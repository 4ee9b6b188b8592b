package main

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// sections is the page by its third-rank headings.
func sections(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for part := range strings.SplitSeq(string(b), "\n### ") {
		heading, body, _ := strings.Cut(part, "\n")
		body, _, _ = strings.Cut(body, "\n## ")
		out[strings.Trim(heading, "`")] = body
	}
	return out
}

// leaves are the commands that do something, by their path.
func leaves(cmd *cobra.Command, out map[string]*cobra.Command) map[string]*cobra.Command {
	if cmd.Hidden || cmd.Name() == "help" || cmd.Name() == "completion" {
		return out
	}
	if !cmd.HasSubCommands() {
		out[cmd.CommandPath()] = cmd
	}
	for _, sub := range cmd.Commands() {
		leaves(sub, out)
	}
	return out
}

var flagRow = regexp.MustCompile("(?m)^\\| `--([a-z-]+)` \\|")

func TestPageOfTheCommandLineIsTrue(t *testing.T) {
	c, _, _ := desk(nil, nil)
	commands, page := leaves(c.root(), map[string]*cobra.Command{}), sections(t)
	for path, cmd := range commands {
		body, ok := page[path]
		if !ok {
			t.Errorf("docs/cli.md lacks %s", path)
			continue
		}
		var real, said []string
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" {
				real = append(real, f.Name)
			}
		})
		for _, m := range flagRow.FindAllStringSubmatch(body, -1) {
			said = append(said, m[1])
		}
		slices.Sort(real)
		slices.Sort(said)
		if !slices.Equal(real, said) {
			t.Errorf("%s has the flags %v, docs/cli.md says %v", path, real, said)
		}
	}
	for heading := range page {
		if strings.HasPrefix(heading, "bacvault ") && commands[heading] == nil {
			t.Errorf("docs/cli.md has %s, which is no command", heading)
		}
	}
	if len(commands) < 18 {
		t.Errorf("only %d commands were looked at", len(commands))
	}
}

// fields are the names that encoding/json gives, of embedded structs too.
func fields(typ reflect.Type) (out []string) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			out = append(out, fields(f.Type)...)
		} else if name != "schema" {
			out = append(out, name)
		}
	}
	return out
}

func TestDocumentsHaveTheFieldsOfThePage(t *testing.T) {
	page := sections(t)
	row := regexp.MustCompile("(?m)^\\| (`[^|]+`) \\|")
	for schema, types := range map[string][]reflect.Type{
		app.BackupsSchema:      {reflect.TypeFor[app.BackupList](), reflect.TypeFor[app.ListedBackup]()},
		app.BackupSchema:       {reflect.TypeFor[app.Backup]()},
		app.PolicySchema:       {reflect.TypeFor[app.PolicyReport]()},
		app.PolicyChangeSchema: {reflect.TypeFor[app.PolicyChange](), reflect.TypeFor[app.ProtectedBackups](), reflect.TypeFor[app.BackupEnd]()},
		app.DeadLettersSchema:  {reflect.TypeFor[app.DeadLetters](), reflect.TypeFor[app.DeadLetter]()},
		app.RequeuedSchema:     {reflect.TypeFor[app.Requeued]()},
		app.DoctorSchema:       {reflect.TypeFor[app.Diagnosis](), reflect.TypeFor[app.CheckResult]()},
	} {
		var real, said []string
		for _, typ := range types {
			real = append(real, fields(typ)...)
		}
		for _, m := range row.FindAllStringSubmatch(page[schema], -1) {
			for name := range strings.SplitSeq(m[1], ", ") {
				said = append(said, strings.Trim(name, "`"))
			}
		}
		slices.Sort(real)
		slices.Sort(said)
		if !slices.Equal(real, said) || len(said) == 0 {
			t.Errorf("%s has the fields %v, docs/cli.md says %v", schema, real, said)
		}
	}
	for _, name := range fields(reflect.TypeFor[report]()) {
		if !strings.Contains(page["Without a schema"], "`"+name+"`") {
			t.Errorf("docs/cli.md does not say what verify's %s is", name)
		}
	}
}
