package restore_test

import (
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/google/go-cmp/cmp"
)

// printed gives the manifest fingerprints; an empty one is a table that was left out.
func printed(w *world, method string, c bacvault.Consistency, a, b string) {
	name := bacvault.ManifestName(db.BlobName(night))
	m := w.manifests[name]
	m.Consistency, m.Fingerprint = c, &bacvault.Fingerprint{Method: method, LeftOut: []string{"dbo.b (type json)"}, Computed: string(c)}
	m.Tables = []bacvault.TableRows{
		{Table: tabA, Source: 3, Archive: 3, Verdict: bacvault.VerdictOK, Fingerprint: a}, {Table: tabB, Verdict: bacvault.VerdictOK, Fingerprint: b},
	}
	w.manifests[name] = m
}

func TestFingerprintsAreHeldAgainstTheManifest(t *testing.T) {
	type prints map[bacvault.Table]string
	for _, c := range []struct {
		name     string
		method   string
		read     bacvault.Consistency
		a, b     string
		restored prints
		want     [2]string // of the two tables
		fails    string
		finding  string
	}{
		{"equal", "sum", bacvault.ConsistencyCopy, "3:aa", "0:00", prints{tabA: "3:aa", tabB: "0:00"}, [2]string{"equal", "equal"}, "", ""},
		{"one differs", "sum", bacvault.ConsistencyCopy, "3:aa", "0:00", prints{tabA: "3:bb", tabB: "0:00"}, [2]string{"differs", "equal"}, "table dbo.a is 3:bb, expected 3:aa", ""},
		{"left out at the source", "sum", bacvault.ConsistencyCopy, "3:aa", "", prints{tabA: "3:aa", tabB: "0:ff"}, [2]string{"equal", ""}, "", ""},
		{"left out here", "sum", bacvault.ConsistencyCopy, "3:aa", "0:00", prints{tabA: "3:aa"}, [2]string{"equal", ""}, "", "Table dbo.b has a fingerprint in the manifest and none"},
		{"another method", "md5", bacvault.ConsistencyCopy, "3:aa", "0:00", prints{tabA: "3:bb"}, [2]string{}, "", "were made by \"md5\""},
		{"a live source that went on", "sum", bacvault.ConsistencyLive, "3:aa", "0:00", prints{tabA: "3:bb", tabB: "0:00"}, [2]string{"differs", "equal"}, "", "may have been written to"},
		{"none at all", "sum", bacvault.ConsistencyCopy, "", "", prints{tabA: "3:bb"}, [2]string{}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			printed(w, c.method, c.read, c.a, c.b)
			s := newSide(w)
			s.prints = c.restored
			res, err := s.run(t.Context())
			if c.fails == "" && err != nil {
				t.Fatal(err)
			}
			if c.fails != "" {
				f := failure(t, err)
				if f.Code != bacvault.CodeRestoreRows || f.Class != bacvault.Terminal || !strings.Contains(f.Detail, c.fails) || !strings.Contains(f.Exists, "kept for inspection") {
					t.Errorf("%v (%s), exists %q", f, f.Class, f.Exists)
				}
				if w.databases[target.Name] == nil || len(w.crimes) > 0 {
					t.Error("the evidence is gone")
				}
			}
			if d := cmp.Diff(c.want, [2]string{res.Tables[0].Fingerprint, res.Tables[1].Fingerprint}); d != "" {
				t.Error(d)
			}
			if told := strings.Join(res.Findings, "|"); c.finding == "" && told != "" || !strings.Contains(told, c.finding) {
				t.Errorf("findings %q, want %q", told, c.finding)
			}
		})
	}
}

func TestADrillWhoseContentDiffersKeepsNothing(t *testing.T) {
	w := newWorld(t)
	printed(w, "sum", bacvault.ConsistencyCopy, "3:aa", "")
	s := newSide(w)
	s.req.Kind, s.prints = bacvault.KindDrill, map[bacvault.Table]string{tabA: "3:bb"}
	_, err := s.run(t.Context())
	if f := failure(t, err); f.Code != bacvault.CodeRestoreRows || !strings.Contains(f.Exists, "was dropped") || len(w.databases) != 1 {
		t.Errorf("%v, exists %q", f, f.Exists)
	}
}

func TestTheSchemaIsHeldAgainstTheModelAndTheSource(t *testing.T) {
	objects := func(indexes, views int) map[bacvault.ObjectKind]int {
		return map[bacvault.ObjectKind]int{bacvault.Tables: 2, bacvault.Indexes: indexes, bacvault.Views: views, bacvault.Sequences: 0}
	}
	good := bacvault.Schema{Collation: "C1", CompatibilityLevel: 160, Objects: objects(7, 0), Principals: []string{"app", "readers"}}
	checks := []bacvault.ObjectCheck{{Kind: bacvault.Tables, Archive: 2, Restored: 2}, {Kind: bacvault.Indexes, Archive: 7, Restored: 7}}
	for _, c := range []struct {
		name     string
		model    bacvault.Schema
		restored bacvault.Schema
		source   *bacvault.SourceState
		objects  []bacvault.ObjectCheck
		findings []string
	}{
		{"alike", good, good, nil, checks, nil},
		{"indexes and views differ", good, bacvault.Schema{Collation: "C1", CompatibilityLevel: 160, Objects: objects(5, 1), Principals: good.Principals}, nil,
			[]bacvault.ObjectCheck{{Kind: bacvault.Tables, Archive: 2, Restored: 2}, {Kind: bacvault.Views, Restored: 1}, {Kind: bacvault.Indexes, Archive: 7, Restored: 5}},
			[]string{"The archive's model has 0 views, the restored database has 1.", "The archive's model has 7 indexes, the restored database has 5."}},
		{"a user is missing, another is new", good, bacvault.Schema{Objects: objects(7, 0), Principals: []string{"ops", "readers"}}, nil, checks,
			[]string{"1 users or roles of the archive are missing, and with them their rights: app."}},
		{"another collation and level than the model's", good, bacvault.Schema{Collation: "C2", CompatibilityLevel: 170, Objects: objects(7, 0), Principals: good.Principals}, nil, checks,
			[]string{"The collation of the archive's model is C1, that of the restored database C2.", "The compatibility level of the archive's model is 160, that of the restored database 170."}},
		{"the source comes before the model", good, good, &bacvault.SourceState{Collation: "C3", CompatibilityLevel: 150}, checks,
			[]string{"The collation of the source is C3, that of the restored database C1.", "The compatibility level of the source is 150, that of the restored database 160."}},
		{"a model that does not tell the level", bacvault.Schema{Collation: "C1", Objects: objects(7, 0)}, good, nil, checks, nil},
		{"a source that told half", good, bacvault.Schema{Collation: "C1", CompatibilityLevel: 170, Objects: objects(7, 0), Principals: good.Principals}, &bacvault.SourceState{Collation: "C1"}, checks,
			[]string{"The compatibility level of the archive's model is 160, that of the restored database 170."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			name := bacvault.ManifestName(db.BlobName(night))
			m := w.manifests[name]
			m.Source = c.source
			w.manifests[name] = m
			s := newSide(w)
			s.model, s.schema = c.model, c.restored
			res, err := s.run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.objects, res.Objects); d != "" {
				t.Errorf("objects (-want +got):\n%s", d)
			}
			if d := cmp.Diff(c.findings, res.Findings); d != "" {
				t.Errorf("findings (-want +got):\n%s", d)
			}
		})
	}
}
