package watch_test

import (
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/watch"
)

func TestAPlanSpreadsTheLongestFirstAndWarns(t *testing.T) {
	db := func(n string) bacvault.Database { return bacvault.Database{Server: "s", Name: n} }
	took := []watch.Took{{Database: db("a"), Took: time.Hour}, {Database: db("b"), Took: 5 * time.Hour}, {Database: db("c"), Took: 3 * time.Hour}, {Database: db("d"), Took: 2 * time.Hour}}
	for _, c := range []struct {
		instances int
		window    time.Duration
		night     time.Duration
		warnings  int
		unknown   []bacvault.Database
	}{
		{1, 8 * time.Hour, 11 * time.Hour, 1, nil},
		{2, 8 * time.Hour, 6 * time.Hour, 0, nil}, // b, a beside c, d
		{8, 4 * time.Hour, 5 * time.Hour, 1, nil},
		{2, 8 * time.Hour, 6 * time.Hour, 1, []bacvault.Database{db("new")}},
	} {
		p := watch.MakePlan(took, c.unknown, c.instances, c.window)
		if p.Night != c.night || p.Total != 11*time.Hour || len(p.Warnings) != c.warnings || p.Longest[0].Name != "b" || p.Databases != 4+len(c.unknown) {
			t.Errorf("%d instances: %+v", c.instances, p)
		}
	}
	if p := watch.MakePlan(nil, nil, 0, time.Hour); p.Night != 0 || p.Instances != 1 {
		t.Errorf("nothing to do: %+v", p)
	}
}
