package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// dockerfile is its instructions by stage, and the rules that it leaves out. The first stage is what stands before any FROM.
type dockerfile struct {
	stages [][]*parser.Node
	skip   []string
}

func readDockerfile(path string) (dockerfile, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return dockerfile{}, err
	}
	parsed, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return dockerfile{}, err
	}
	df := dockerfile{stages: [][]*parser.Node{nil}}
	for _, n := range parsed.AST.Children {
		if strings.EqualFold(n.Value, "from") {
			df.stages = append(df.stages, nil)
		}
		last := len(df.stages) - 1
		df.stages[last] = append(df.stages[last], n)
	}
	said, _, _, _ := parser.ParseDirective("check", text)
	config, err := linter.ParseLintOptions(said)
	if err != nil {
		return dockerfile{}, err
	}
	if config.SkipAll {
		return dockerfile{}, errors.New("the Dockerfile leaves out every rule")
	}
	df.skip = config.SkipRules
	return df, nil
}

var (
	variable = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)`)
	shells   = []string{"HOME", "PATH", "PWD"}
)

// names is what an ARG or ENV declares.
func names(n *parser.Node) (out []string) {
	switch strings.ToLower(n.Value) {
	case "arg":
		for a := n.Next; a != nil; a = a.Next {
			name, _, _ := strings.Cut(a.Value, "=")
			out = append(out, name)
		}
	case "env": // name, value and separator, again and again
		for a := n.Next; a != nil && a.Next != nil && a.Next.Next != nil; a = a.Next.Next.Next {
			out = append(out, a.Value)
		}
	}
	return out
}

// variables finds an ARG that nothing uses, and in RUN a variable that neither ARG, ENV nor the script sets: BuildKit leaves RUN
// to the shell, and the shell takes a misspelt name for an empty one.
func (df dockerfile) variables() (out []finding) {
	for i, stage := range df.stages {
		declared := slices.Clone(shells)
		for j, n := range stage {
			if strings.EqualFold(n.Value, "run") {
				for _, m := range variable.FindAllStringSubmatch(n.Original, -1) {
					if !slices.Contains(declared, m[1]) && !regexp.MustCompile(`(?:\b`+m[1]+`=|\bfor `+m[1]+` |\bread (?:\S+ )*`+m[1]+`\b)`).MatchString(n.Original) {
						out = append(out, finding{n.StartLine, "UndefinedInRun", "nothing sets $" + m[1]})
					}
				}
			}
			declared = append(declared, names(n)...)
			if !strings.EqualFold(n.Value, "arg") {
				continue
			}
			for _, name := range names(n) {
				later := stage[j+1:]
				if i == 0 { // before the first FROM: for the FROM lines, and for stages that take it over
					later = slices.Concat(df.stages...)[j+1:]
				}
				if !slices.ContainsFunc(later, func(u *parser.Node) bool { return uses(u, name) || i == 0 && slices.Contains(names(u), name) }) {
					out = append(out, finding{n.StartLine, "UnusedArg", "nothing uses " + name})
				}
			}
		}
	}
	return out
}

func uses(n *parser.Node, name string) bool {
	return slices.ContainsFunc(variable.FindAllStringSubmatch(n.Original, -1), func(m []string) bool { return m[1] == name })
}

// copies finds a COPY whose source is not where it says. With --from every path starts at the other stage's root, whatever its
// WORKDIR; without, it must lie in the build context.
func (df dockerfile) copies(root string) (out []finding) {
	for _, n := range slices.Concat(df.stages...) {
		if !strings.EqualFold(n.Value, "copy") {
			continue
		}
		from := slices.ContainsFunc(n.Flags, func(f string) bool { return strings.HasPrefix(f, "--from=") })
		for a := n.Next; a != nil && a.Next != nil; a = a.Next {
			if from {
				if !strings.HasPrefix(a.Value, "/") {
					out = append(out, finding{n.StartLine, "RelativeInStage", a.Value + " is looked for in the stage's root, not in its WORKDIR: write it from /"})
				}
			} else if found, err := filepath.Glob(filepath.Join(root, a.Value)); err != nil || len(found) == 0 {
				out = append(out, finding{n.StartLine, "NotInContext", a.Value + " is not there"})
			}
		}
	}
	return out
}

// shellcheck reads what each RUN runs, in the shell form, with the stage's variables known, as hadolint does.
func (df dockerfile) shellcheck(ctx context.Context) (out []finding, scripts int, _ error) {
	for _, stage := range df.stages {
		known := ""
		for _, n := range stage {
			for _, name := range names(n) {
				known += "export " + name + "=1\n"
			}
			if !strings.EqualFold(n.Value, "run") || n.Attributes["json"] || n.Next == nil {
				continue
			}
			scripts++
			cmd := exec.CommandContext(ctx, "shellcheck", "--norc", "--shell=sh", "--format=json", "-")
			cmd.Stdin = strings.NewReader("#!/bin/sh\n" + known + n.Next.Value + "\n")
			said, err := cmd.Output()
			var told []struct {
				Code    int
				Message string
			}
			if jsonErr := json.Unmarshal(said, &told); jsonErr != nil {
				return nil, 0, fmt.Errorf("shellcheck on line %d: %w", n.StartLine, errors.Join(err, jsonErr))
			}
			for _, t := range told {
				out = append(out, finding{n.StartLine, fmt.Sprintf("SC%d", t.Code), t.Message})
			}
		}
	}
	return out, scripts, nil
}
