package status_test

import (
	"encoding/json"
	"runtime"
	"testing"

	"github.com/bacvault/bacvault/internal/status"
	"github.com/bacvault/bacvault/internal/watch"
)

// stored is the snapshot of a thousand databases as it lies in the state container.
func stored(t testing.TB) []byte {
	t.Helper()
	b, err := json.Marshal(many(1000).Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// view is one page view, from the bytes of the snapshot to those of the page.
func view(t testing.TB, b []byte) int {
	t.Helper()
	in := good()
	in.Snapshot = watch.Snapshot{}
	if err := json.Unmarshal(b, &in.Snapshot); err != nil {
		t.Fatal(err)
	}
	return len(html(t, status.New(in)))
}

// BenchmarkPage is a view of a thousand databases with 30 slots each; the aim is 200 ms.
func BenchmarkPage(b *testing.B) {
	raw := stored(b)
	b.ReportAllocs()
	for b.Loop() {
		view(b, raw)
	}
}

// What one view allocates in all bounds what it can ever hold at a time. The aim is 100 MiB.
func TestPageOfAThousandDatabasesAllocatesLittle(t *testing.T) {
	raw := stored(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	size := view(t, raw)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 100<<20 {
		t.Errorf("a page of %d bytes took %d MiB", size, got>>20)
	}
}

// BenchmarkJSON is bacvault status -o json of a thousand databases, from the bytes of the snapshot to those that are printed, and
// where the time of it goes. The aim is 200 ms for all of it.
func BenchmarkJSON(b *testing.B) {
	raw, in := stored(b), good()
	read := func(b *testing.B) {
		in.Snapshot = watch.Snapshot{}
		if err := json.Unmarshal(raw, &in.Snapshot); err != nil {
			b.Fatal(err)
		}
	}
	read(b)
	model := status.New(in)
	for name, do := range map[string]func(*testing.B){
		"all":   func(b *testing.B) { read(b); print(b, status.New(in)) },
		"read":  read,
		"model": func(*testing.B) { status.New(in) },
		"print": func(b *testing.B) { print(b, model) },
		"print, indented": func(b *testing.B) {
			if _, err := json.MarshalIndent(model.Document(), "", "  "); err != nil {
				b.Fatal(err)
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				do(b)
			}
		})
	}
}

func print(b *testing.B, m status.Model) {
	if _, err := m.JSON(); err != nil {
		b.Fatal(err)
	}
}
