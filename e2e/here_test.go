package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/standin/funchost"
	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/stack"
)

// alone is what is left when everything but the container is lost: no setting of an app, only where tokens come from and whom to trust.
func (a *azure) alone() map[string]string {
	all := a.Settings(roles.Restore)
	out := map[string]string{}
	for _, k := range []string{"SSL_CERT_FILE", "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "STANDIN_SQLPACKAGE_FAULTS"} {
		if v := all[k]; v != "" {
			out[k] = v
		}
	}
	return out
}

func (a *azure) restoreHere(args ...string) (stdout, stderr string, code int) {
	a.t.Helper()
	return a.cliWith(a.alone(), append([]string{
		"restore", "--here", "--from", a.Blob.URL(a.Places.VaultAccount) + "/" + a.Places.VaultContainer, "--database", server + "/DB",
		"--target-server", a.SQL.Addr(), "--identity", roles.Restore, "--sqlpackage", sqlpackage, "--work-dir", filepath.Join(a.dir, "here"), "-o", "json",
	}, args...)...)
}

// With the container and a server alone, without an app, a queue or a state container, one command brings a backup back.
func TestARestoreFromTheContainerAlone(t *testing.T) {
	a := start(t, protected(stack.Options{}))
	a.backUp()
	for _, h := range []*funchost.Host{a.Backup, a.Restore} {
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Blob.DeleteContainer(t.Context(), a.Places.StateAccount, a.Places.StateContainer); err != nil {
		t.Fatal(err)
	}
	out, words, code := a.restoreHere("--target", "Back")
	if code != 0 {
		t.Fatalf("exit %d\n%s\n%s", code, out, words)
	}
	want, _ := a.SQL.Rows("DB")
	if got, _ := a.SQL.Rows("Back"); !maps.Equal(want, got) || len(want) == 0 {
		t.Errorf("restored %v, want %v", got, want)
	}
	var res struct {
		Tables []struct{ RowsSource, RowsArchive, RowsRestored *int64 }
	}
	if err := json.Unmarshal([]byte(out), &res); err != nil || len(res.Tables) != len(want) {
		t.Errorf("it printed %s: %v", out, err)
	}
	for _, tab := range res.Tables {
		if tab.RowsSource == nil || tab.RowsArchive == nil || tab.RowsRestored == nil || *tab.RowsSource != *tab.RowsRestored {
			t.Errorf("a table was not counted on three sides: %s", out)
			break
		}
	}
	if _, words, code = a.restoreHere("--target", "Back"); code != 5 || !strings.Contains(words, "target.exists") {
		t.Errorf("onto the same name again: exit %d, %s", code, words)
	}
	left, err := filepath.Glob(filepath.Join(a.dir, "here", "*", "*", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

// What a failed import created is dropped, and the same command works again.
func TestAFailedRestoreFromTheContainerAloneLeavesNothing(t *testing.T) {
	a := start(t, protected(stack.Options{}))
	a.backUp()
	a.misbehave(map[string]any{"action": "Import", "do": "die-midway", "times": 1})
	out, words, code := a.restoreHere("--target", "Back")
	if code == 0 || !strings.Contains(words, "was dropped") {
		t.Errorf("exit %d\n%s\n%s", code, out, words)
	}
	if _, ok := a.SQL.Rows("Back"); ok {
		t.Error("the half-restored database is left")
	}
	if _, words, code := a.restoreHere("--target", "Back"); code != 0 {
		t.Errorf("again: exit %d, %s", code, words)
	}
	a.toolErred()
	if err := os.RemoveAll(filepath.Join(a.dir, "here")); err != nil {
		t.Error(err)
	}
}
