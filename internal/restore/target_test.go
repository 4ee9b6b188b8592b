package restore_test

import (
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/google/go-cmp/cmp"
)

func TestRestoreOntoAnotherServerNamesIt(t *testing.T) {
	w := newWorld(t)
	s := newSide(w)
	s.target = "dr"
	var holder string
	s.at["fetch#1"] = func() { holder = w.holder }
	res, err := s.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	there := bacvault.Database{Server: "dr", Name: target.Name}
	if res.Target != there || res.Source != db || res.Blob.Name != db.BlobName(night) {
		t.Errorf("the result is %+v", res)
	}
	if !strings.HasSuffix(holder, "dr/db_RESTORE") || w.marks["dr/db_RESTORE"] == nil || len(w.marks) != 1 {
		t.Errorf("leased %q, marks %v", holder, w.marks)
	}
}

// A failed restore tells its target and how far it came: the event and a drill's proof say it.
func TestAFailedRestoreTellsHowFarItCame(t *testing.T) {
	s := newSide(newWorld(t))
	s.target, s.restored = "dr", bacvault.Rows{tabA: 2, tabB: 0}
	res, err := s.run(t.Context())
	failure(t, err)
	if res.Target.Server != "dr" || res.Slot == nil || len(res.Tables) != 2 || *res.Tables[0].Restored != 2 || len(res.Stages) < 6 {
		t.Errorf("the result is %+v", res)
	}
	s = newSide(newWorld(t))
	s.free = 0
	if res, err = s.run(t.Context()); err == nil || res.Tables != nil || res.Slot == nil || res.Target != target {
		t.Errorf("%+v, error %v", res, err)
	}
}

func TestTheNewDatabaseIsAsTheSourceWasUnlessSomebodySaysOtherwise(t *testing.T) {
	const gib = 1 << 30
	standard := &bacvault.SourceState{Edition: "Standard", ServiceObjective: "S9", MaxSizeBytes: 500 * gib}
	pooled := &bacvault.SourceState{Edition: "Standard", ServiceObjective: "ElasticPool", MaxSizeBytes: 250 * gib}
	type ask struct {
		objective, edition string
		size               int
	}
	for _, c := range []struct {
		name              string
		source            *bacvault.SourceState
		request, settings ask
		want              ask
		finding           bool
	}{
		{"the source's own", standard, ask{}, ask{}, ask{"S9", "Standard", 500}, false},
		{"an old manifest", nil, ask{}, ask{}, ask{}, false},
		{"the settings come before the source", standard, ask{}, ask{objective: "S3"}, ask{"S3", "", 500}, false},
		{"a size of the settings", standard, ask{}, ask{size: 100}, ask{"S9", "Standard", 100}, false},
		{"the request comes first", standard, ask{"P1", "Premium", 600}, ask{"S3", "", 250}, ask{"P1", "Premium", 600}, false},
		{"an edition alone", standard, ask{edition: "Premium"}, ask{}, ask{"", "Premium", 500}, false},
		{"the source's edition alone", standard, ask{edition: "Standard"}, ask{}, ask{"S9", "Standard", 500}, false},
		{"a pool", pooled, ask{}, ask{}, ask{"", "", 250}, true},
		{"a pool, and an objective in the settings", pooled, ask{}, ask{objective: "S3"}, ask{"S3", "", 250}, false},
		{"half a gigabyte", &bacvault.SourceState{Edition: "Basic", ServiceObjective: "Basic", MaxSizeBytes: gib / 2}, ask{}, ask{}, ask{"Basic", "Basic", 1}, false},
		{"no maximum", &bacvault.SourceState{Edition: "Hyperscale", ServiceObjective: "HS_Gen5_2", MaxSizeBytes: 1024 * gib}, ask{}, ask{}, ask{"HS_Gen5_2", "Hyperscale", 0}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			name := bacvault.ManifestName(db.BlobName(night))
			m := w.manifests[name]
			m.Source = c.source
			w.manifests[name] = m
			s := newSide(w)
			s.req.ServiceObjective, s.req.Edition, s.req.MaxSizeGB = c.request.objective, c.request.edition, c.request.size
			r := s.restore()
			r.ServiceObjective, r.MaxSizeGB = c.settings.objective, c.settings.size
			res, err := r.Run(t.Context(), s.req)
			if err != nil {
				t.Fatal(err)
			}
			got := ask{s.imported.ServiceObjective, s.imported.Edition, s.imported.MaxSizeGB}
			if d := cmp.Diff(c.want, got, cmp.AllowUnexported(ask{})); d != "" {
				t.Errorf("imported with (-want +got):\n%s", d)
			}
			if told := len(res.Findings) == 1 && strings.Contains(res.Findings[0], "elastic pool"); told != c.finding || len(res.Findings) > 1 {
				t.Errorf("findings %q", res.Findings)
			}
		})
	}
}
