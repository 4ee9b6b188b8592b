package state_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/bacvault/bacvault/internal/state"
)

// A lease that its holder let go, or that is held, is nothing to tell of; one that lapsed under a holder's name is.
func TestOnlyALapsedLeaseWithANameIsAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, inside := open(t, 60)
		for _, key := range []string{"backup/srv/free/", "backup/srv/held/", "backup/srv/dead/"} {
			l, by, err := st.Acquire(t.Context(), key, state.Holder{Run: "run-" + key, Request: "q", Host: "h"})
			if err != nil || by != nil {
				t.Fatal(by, err)
			}
			if key == "backup/srv/free/" {
				if err := l.Release(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if key == "backup/srv/held/" {
				_, stop := l.Run(t.Context())
				defer stop()
			}
		}
		time.Sleep(5 * time.Minute)
		got, err := st.Abandoned(t.Context())
		if err != nil || len(got) != 1 || got[0].Key != "backup/srv/dead/" || got[0].Run != "run-backup/srv/dead/" || time.Since(got[0].Signed) < 4*time.Minute {
			t.Errorf("%+v, %v", got, err)
		}
		inside.blobs["leases/backup/srv/broken/"] = &blob{data: []byte("no JSON")}
		if got, err := st.Abandoned(t.Context()); err == nil || len(got) != 1 {
			t.Errorf("beside one that is broken: %+v, %v", got, err)
		}
	})
}

func TestEachReadsWhatIsNewInAFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, _ := open(t, 60)
		for _, name := range []string{"failures/srv/old", "elsewhere/srv/new"} {
			if err := st.Save(t.Context(), name, map[string]int{"n": 1}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		since := time.Now()
		time.Sleep(time.Hour)
		if err := st.Save(t.Context(), "failures/srv/new", map[string]int{"n": 2}); err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		err := st.Each(t.Context(), "failures", since, func(name string, b []byte) error { got[name] = string(b); return nil })
		if err != nil || len(got) != 1 || got["failures/srv/new"] != `{"n":2}` {
			t.Errorf("%v, %v", got, err)
		}
		if err := st.Each(t.Context(), "leases", since, nil); err == nil {
			t.Error("a folder of ours is read by others")
		}
	})
}
