package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
)

// locally runs restore --here against a fake that keeps its configuration.
func locally(t *testing.T, h *fakeHere, environ []string, args ...string) ran {
	t.Helper()
	c, out, words := desk(environ, nil, append([]string{"restore", "--here"}, args...)...)
	c.openHere = func(cfg app.HereConfig) (here, error) { h.cfg = cfg; return h, nil }
	return ran{run(t.Context(), c), out.String(), words.String()}
}

var least = []string{"--from", "https://st.blob.core.windows.net/vault", "--database", "srv/db", "--target-server", "new"}

func TestRestoreHereNeedsNoSettings(t *testing.T) {
	h := &fakeHere{result: app.RestoreResult{Target: bacvault.Database{Server: "new", Name: "db2"}}}
	got := locally(t, h, []string{"PATH=/nowhere"}, append(slices.Clone(least), "--target", "db2", "--objective", "S9", "--work-dir", "w", "--slot", "2026-11-24T02:00:00Z")...)
	res := decode[app.RestoreResult](t, got.out)
	if got.code != exitOK || res.Target.Name != "db2" || h.closed != 1 || lacks(got.words, "fetch done in 1.5s", "there is no lease", "az login") != nil {
		t.Errorf("%+v", got)
	}
	r := h.asked[0]
	if r.Database != (bacvault.Database{Server: "srv", Name: "db"}) || r.TargetDatabase != "db2" || r.ServiceObjective != "S9" || r.Slot == nil {
		t.Errorf("asked for %+v", r)
	}
	if c := h.cfg; c.Container != "https://st.blob.core.windows.net/vault" || c.TargetName != "new" || c.TargetAddress != "new.database.windows.net:1433" || !filepath.IsAbs(c.WorkDir) || c.ClientID != "" {
		t.Errorf("configured %+v", c)
	}
}

func TestRestoreHereSignsInByWhatTheMachineOffers(t *testing.T) {
	identity := []string{"IDENTITY_ENDPOINT=http://127.0.0.1:1/t", "IDENTITY_HEADER=topsecret", "MANAGED_IDENTITY_CLIENT_ID=client"}
	for _, c := range []struct {
		name    string
		environ []string
		args    []string
		client  string
	}{
		{"nothing", nil, nil, ""},
		{"an endpoint", identity, nil, "client"},
		{"an endpoint, but az login is wanted", identity, []string{"--auth", "default"}, ""},
		{"no endpoint, such as on a virtual machine", nil, []string{"--auth", "managed-identity", "--identity", "vm"}, "vm"},
		{"a client id and no endpoint", identity[2:], nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &fakeHere{}
			got := locally(t, h, c.environ, append(slices.Clone(least), c.args...)...)
			if got.code != exitOK || h.cfg.ClientID != c.client || strings.Contains(got.words+got.out, "topsecret") {
				t.Errorf("as %q: %+v", h.cfg.ClientID, got)
			}
		})
	}
}

func TestTargetServerIsTakenInEveryForm(t *testing.T) {
	for said, want := range map[string]string{
		"new": "new new.database.windows.net:1433", "new:11433": "new new.database.windows.net:11433", "new.example.org": "new new.example.org:1433",
		"127.0.0.1:5000": "127.0.0.1 127.0.0.1:5000", "localhost:5000": "localhost localhost:5000", "[::1]:5000": "::1 [::1]:5000",
	} {
		h := &fakeHere{}
		got := locally(t, h, nil, "--from", "https://st/v", "--database", "srv/db", "--target-server", said)
		if have := h.cfg.TargetName + " " + h.cfg.TargetAddress; got.code != exitOK || have != want {
			t.Errorf("%s is %s, want %s: %+v", said, have, want, got)
		}
	}
}

// The target's full name tells its cloud, and with it whose tokens it takes; a short one does not.
func TestRestoreHereKnowsTheTargetsCloud(t *testing.T) {
	for said, want := range map[string]string{
		"new.database.usgovcloudapi.net": "database.usgovcloudapi.net", "new.database.chinacloudapi.cn:1433": "database.chinacloudapi.cn",
		"new": "database.set.example", "127.0.0.1:5000": "database.set.example",
	} {
		h := &fakeHere{}
		got := locally(t, h, nil, "--from", "https://st/v", "--database", "srv/db", "--target-server", said, "--sql-dns-suffix", "database.set.example")
		if got.code != exitOK || h.cfg.SQLSuffix != want {
			t.Errorf("%s is in %s, want %s: %+v", said, h.cfg.SQLSuffix, want, got)
		}
	}
}

func TestRestoreHereRefusesWhatItCanNotMean(t *testing.T) {
	for _, args := range [][]string{
		{}, {"--from", "https://st/v", "--database", "srv/db"}, {"--database", "srv/db", "--target-server", "new"},
		{"--from", "https://st/v", "--database", "db", "--target-server", "new"},
		{"--from", "http://st/v?sig=topsecret", "--database", "srv/db", "--target-server", "new"},
		{"--from", "https://st/v?sig=topsecret", "--database", "srv/db", "--target-server", "new"},
		{"--from", "https://st/v", "--database", "srv/db", "--target-server", "a b"},
		{"--from", "https://st/v", "--database", "srv/db", "--target-server", "new", "--auth", "password"},
		{"--from", "https://st/v", "--database", "srv/db", "--target-server", "new", "--auth", "managed-identity"},
		append(slices.Clone(least), "--wait"), append(slices.Clone(least), "--timeout", "1h"), append(slices.Clone(least), "--server", "srv"),
		append(slices.Clone(least), "--id", "x"), append(slices.Clone(least), "--by", "x"),
	} {
		h := &fakeHere{}
		got := locally(t, h, nil, args...)
		if got.code != exitUsage || got.out != "" || len(h.asked) > 0 || strings.Contains(got.words, "topsecret") {
			t.Errorf("%v: %+v", args, got)
		}
	}
	for _, flag := range []string{"from", "target-server", "auth", "identity", "sqlpackage", "work-dir", "sql-dns-suffix"} {
		f := &fake{}
		if got := enter(t, f, nil, "restore", "--database", "db", "--"+flag, "x"); got.code != exitUsage || len(f.restores) > 0 || !strings.Contains(got.words, "--here alone") {
			t.Errorf("--%s by the queue: %+v", flag, got)
		}
	}
}

func TestRestoreHereThatFailedSaysWhatIsLeft(t *testing.T) {
	f := bacvault.Fail(bacvault.CodeImportFailed, "sqlpackage said no")
	f.Stage, f.Exists = bacvault.StageImport, "the database db2 that this run created was dropped"
	h := &fakeHere{err: f}
	got := locally(t, h, nil, least...)
	if missing := lacks(got.words, "import.failed", "was dropped", "next:", "no --objective"); got.code != exitFault || got.out != "" || missing != nil || h.closed != 1 {
		t.Errorf("lacks %v: %+v", missing, got)
	}
	h = &fakeHere{err: bacvault.Fail(bacvault.CodeRestoreRows, "2 rows")}
	if got := locally(t, h, nil, least...); got.code != exitVerify || got.out != "" {
		t.Errorf("rows that differ: %+v", got)
	}
}

func TestRestoreHereCanBePlanned(t *testing.T) {
	p := restorePlan()
	free := int64(1 << 30)
	p.DiskFree = &free
	h := &fakeHere{plan: p}
	if got := locally(t, h, nil, append(slices.Clone(least), "--plan", "-o", "text")...); got.code != exitOK || lacks(got.out, "1024.0 MiB free") != nil {
		t.Errorf("%+v", got)
	}
}
