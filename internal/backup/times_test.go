package backup_test

import (
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

func TestStageTimesAreUTC(t *testing.T) {
	w := newWorld(t)
	b := newSide(w).backup(bacvault.ConsistencyCopy)
	b.Now = func() time.Time { return w.tick().In(time.FixedZone("east", 3600)) }
	res, err := b.Run(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Manifest.Stages) == 0 {
		t.Fatal("no stage has its time")
	}
	for _, st := range res.Manifest.Stages {
		if st.Start.Location() != time.UTC || st.End.Location() != time.UTC {
			t.Errorf("stage %s ran from %s to %s", st.Stage, st.Start, st.End)
		}
	}
}
