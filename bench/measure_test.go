package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRatioIsThatOfThePairs(t *testing.T) {
	// The machine got slower from pair to pair; the medians' own ratio would be 4/3.
	ours := []cost{{Wall: 1}, {Wall: 4}, {Wall: 9}, {Wall: 4}}
	peer := []cost{{Wall: 2}, {Wall: 2}, {Wall: 18}, {Wall: 8}}
	r := versus("x", "s", "peer 1", 0.5, ours, peer, wall)
	if r.Ours != 4 || r.Peer != 5 || r.Ratio != 0.5 || !*r.Met || len(r.Pairs) != 4 || r.Pairs[1].Ratio != 2 {
		t.Errorf("%+v", r)
	}
	if r := within("x", "MiB", 40, []cost{{Peak: 41}}, peak); *r.Met || r.Peer != 40 {
		t.Errorf("%+v", r)
	}
}

func TestReportTellsWhatIsNotMet(t *testing.T) {
	dir := t.TempDir()
	rows := []row{
		versus("slow", "s", "peer 1", 0.5, []cost{{Wall: 1}}, []cost{{Wall: 1}}, wall),
		versus("told only", "s", "peer 1", 0, []cost{{Wall: 1}}, []cost{{Wall: 1}}, wall),
	}
	var out bytes.Buffer
	if err := report(&out, dir, "head", rows); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	if !strings.Contains(lines[2], "NO") || !strings.Contains(lines[3], " - ") {
		t.Errorf("the table is\n%s", out.String())
	}
	raw, err := os.ReadFile(filepath.Join(dir, "latest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var back []map[string]any
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"name", "ours", "peer", "peerVersion", "ratio", "goal", "met", "pairs"} {
		if _, ok := back[0][field]; !ok {
			t.Errorf("latest.json has no field %s", field)
		}
	}
}
