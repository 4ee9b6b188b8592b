package sqlpackage_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/sqlpackage"
)

func TestMissingProgram(t *testing.T) {
	dir := t.TempDir()
	noProgram := filepath.Join(dir, "README")
	if err := os.WriteFile(noProgram, []byte("not a program"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "nothing"), noProgram, dir, "no-such-sqlpackage-anywhere"} {
		tl := sqlpackage.New(sqlpackage.Config{Path: path, ClientID: "id"})
		_, err := tl.Export(t.Context(), exportSpec(dir, nil))
		wantFailure(t, err, bacvault.CodeToolMissing, bacvault.Terminal)
		_, err = tl.Version(t.Context())
		wantFailure(t, err, bacvault.CodeToolMissing, bacvault.Terminal)
	}
}

func TestVersion(t *testing.T) {
	for name, c := range map[string]struct{ out, exit, want string }{
		"the real form":     {"170.5.96.0\n", "0", "170.5.96.0"},
		"a stand-in":        {"stand-in for sqlpackage 170.5.96\n", "0", "stand-in for sqlpackage 170.5.96"},
		"no version":        {"hello\n", "0", ""},
		"a bad exit code":   {"170.5.96.0\n", "1", ""},
		"no .NET to run it": {"You must install or update .NET to run this application.\n", "150", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tool("print", t.TempDir(), sqlpackage.Config{}, envOut+"="+c.out, envExit+"="+c.exit).Version(t.Context())
			if c.want == "" {
				wantFailure(t, err, bacvault.CodeToolMissing, bacvault.Terminal)
				return
			}
			if err != nil || got != c.want {
				t.Errorf("version is %q, %v", got, err)
			}
		})
	}
}

func TestCheckVersionNamesTheFaultsOfOldReleases(t *testing.T) {
	for _, c := range []struct {
		version string
		ok      bool
		words   []string
	}{
		{"170.5.96.0", true, nil},
		{"170.5.96", true, nil},
		{"170.10.0", true, nil},
		{"stand-in for sqlpackage 171.0.1", true, nil},
		{"170.5.95.99", false, []string{"170.5.95.99", "170.5.96", "VARBINARY(MAX)", "Stream was too long"}},
		{"170.5", false, []string{"VARBINARY(MAX)"}},
		{"170.4.83.3", false, []string{"VARBINARY(MAX)"}},
		{"170.3.93", false, []string{"VARBINARY(MAX)"}},
		{"170.2.70", false, []string{"silently leaves tables empty", "VARBINARY(MAX)"}},
		{"19.1", false, []string{"silently"}},
		{"hello", false, []string{"names no version", "170.5.96"}},
		{"", false, []string{"names no version"}},
	} {
		ok, why := sqlpackage.CheckVersion(c.version)
		if ok != c.ok || (why == "") != c.ok {
			t.Errorf("%q: ok %t, why %q", c.version, ok, why)
		}
		for _, w := range c.words {
			if !strings.Contains(why, w) {
				t.Errorf("%q: %q does not say %q", c.version, why, w)
			}
		}
		if !c.ok && strings.HasPrefix(c.version, "170.4") && strings.Contains(why, "silently") {
			t.Errorf("%q: %q names a fault that it has repaired", c.version, why)
		}
	}
	if ok, why := sqlpackage.CheckVersion(sqlpackage.MinVersion); !ok {
		t.Errorf("the least version itself: %s", why)
	}
}
