//go:build infra

// Package infra_test checks the Terraform here with a real OpenTofu or Terraform and the real azurerm provider, both given by
// tools/infra-check. No cloud is reached: what needs one is mocked, and what only Azure can say is not said.
package infra_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestFormIsCanonical(t *testing.T) {
	if out, err := tofu(t, ".", "fmt", "-check", "-recursive", "-diff"); err != nil {
		t.Errorf("run tofu fmt -recursive infra: %v\n%s", err, out)
	}
}

// The real provider checks names, types, references and those values that its schema bounds. A module that is given its providers
// can't be validated alone: the examples that call it are, and with them the module.
func TestEachConfigurationIsValid(t *testing.T) {
	dir := copied(t)
	for _, c := range configurations(t) {
		t.Run(c, func(t *testing.T) {
			if versions, err := os.ReadFile(filepath.Join(c, "versions.tf")); err == nil && strings.Contains(string(versions), "configuration_aliases") {
				if !called(t, c) {
					t.Errorf("no example calls %s, so nothing validates it", c)
				}
				t.Log("not by itself: it is given its providers, and is validated with the examples that call it")
				return
			}
			prepare(t, filepath.Join(dir, c))
			if out, err := tofu(t, filepath.Join(dir, c), "validate", "-no-color"); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// Each configuration has tests of its own, and each of them passes.
func TestEachConfigurationKeepsItsRules(t *testing.T) {
	dir := copied(t)
	for _, c := range configurations(t) {
		t.Run(c, func(t *testing.T) {
			prepare(t, filepath.Join(dir, c))
			out, err := tofu(t, filepath.Join(dir, c), "test", "-no-color")
			passed, failed, ok := counts(out)
			if err != nil || !ok || failed != 0 || passed == 0 {
				t.Errorf("%v, %d passed, %d failed\n%s", err, passed, failed, out)
			}
			t.Logf("%d passed", passed)
		})
	}
}

// A check is worth what it refuses. Each case plants one fault in a copy, and the right step must refuse it for the right reason.
func TestFaultsAreRefused(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			dir := copied(t)
			plant(t, filepath.Join(dir, f.file), f.old, f.new)
			where := filepath.Join(dir, f.where)
			prepare(t, where)
			out, err := tofu(t, where, f.step, "-no-color")
			if err == nil {
				t.Fatalf("%s took it\n%s", f.step, out)
			}
			// Long lines are wrapped, with a bar before each.
			flat := strings.Join(strings.Fields(strings.NewReplacer("│", " ", "╷", " ", "╵", " ").Replace(out)), " ")
			if !regexp.MustCompile(f.says).MatchString(flat) {
				t.Fatalf("refused, but not as %q\n%s", f.says, out)
			}
			t.Logf("%s refused it: %s", f.step, regexp.MustCompile(`.{0,120}(?:`+f.says+`).{0,120}`).FindString(flat))
		})
	}
}

// configurations are all modules and examples, by their folders.
func configurations(t *testing.T) (out []string) {
	t.Helper()
	for _, pattern := range []string{"modules/*/versions.tf", "examples/*/main.tf"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) < 3 {
			t.Fatalf("%s: %v, error %v", pattern, found, err)
		}
		for _, f := range found {
			out = append(out, filepath.Dir(f))
		}
	}
	return out
}

func called(t *testing.T, module string) bool {
	t.Helper()
	examples, err := filepath.Glob("examples/*/*.tf")
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(examples, func(file string) bool {
		b, err := os.ReadFile(file)
		return err == nil && regexp.MustCompile(`source *= "../../`+module+`"`).Match(b)
	})
}

// copied is a copy of this folder: what the tools leave behind does not belong in a clone.
func copied(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// prepare brings the modules, and the provider where it comes from the registry: one that was built needs no init.
func prepare(t *testing.T, dir string) {
	t.Helper()
	args := []string{"get", "-no-color"}
	if os.Getenv("INFRA_INIT") == "yes" {
		args = []string{"init", "-backend=false", "-input=false", "-no-color"}
	}
	if out, err := tofu(t, dir, args...); err != nil {
		t.Fatalf("%s: %v\n%s", args[0], err, out)
	}
}

func tofu(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	program := os.Getenv("INFRA_TERRAFORM")
	if program == "" {
		t.Fatal("INFRA_TERRAFORM is not set: run make infra-check")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func counts(out string) (passed, failed int, ok bool) {
	m := regexp.MustCompile(`(?m)^(?:Success|Failure)! (\d+) passed, (\d+) failed`).FindStringSubmatch(out)
	if m == nil {
		return 0, 0, false
	}
	passed, _ = strconv.Atoi(m[1])
	failed, _ = strconv.Atoi(m[2])
	return passed, failed, true
}

// plant replaces the one place where old stands; a case whose place is gone is a broken case.
func plant(t *testing.T, file, old, replacement string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(old).FindAllStringIndex(string(b), -1)
	if len(found) != 1 {
		t.Fatalf("%s: %q stands there %d times, not once", file, old, len(found))
	}
	s := string(b[:found[0][0]]) + replacement + string(b[found[0][1]:])
	if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
		t.Fatal(err)
	}
}
