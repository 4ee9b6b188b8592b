package main

import (
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

func TestProgressIsALineAtEachStagesEndWhereNobodyWatches(t *testing.T) {
	c, out, words := desk(nil, nil)
	p := c.watch()
	for _, x := range []bacvault.Progress{
		{Stage: bacvault.StageFetch}, {Stage: bacvault.StageFetch, Note: "a line of the tool"}, {Stage: bacvault.StageFetch, Done: true, Elapsed: 2 * time.Second},
		{Stage: bacvault.StageImport}, {Stage: bacvault.StageImport, Done: true, Elapsed: time.Second, Note: "import.failed"}, {Ended: true},
	} {
		p.take(x)
	}
	p.close()
	if want := "fetch done in 2s\nimport ended after 1s: import.failed\n"; words.String() != want || out.Len() > 0 {
		t.Errorf("%q, stdout %q", words, out)
	}
}

func TestLivingLineTellsSlowFromDead(t *testing.T) {
	c, _, words := desk(nil, nil)
	c.errTTY = true
	p := c.watch()
	p.take(bacvault.Progress{Stage: bacvault.StageImport})
	p.take(bacvault.Progress{Stage: bacvault.StageImport, Note: "Processing Table '[dbo].[t]'."})
	p.take(bacvault.Progress{Stage: bacvault.StageImport, Tables: 3, TablesTotal: 9, Bytes: 5 << 20, Rate: 2 << 20})
	p.mu.Lock()
	p.line(p.since.Add(90 * time.Second))
	p.mu.Unlock()
	p.close()
	if missing := lacks(words.String(), "\r\x1b[Kimport 1m30s, 3 of 9 tables, 5.0 MiB, 2.0 MiB/s: Processing Table", "ago)"); missing != nil {
		t.Errorf("lacks %q: %q", missing, words)
	}
	if strings.Contains(words.String(), "\n") {
		t.Errorf("a living line stays one line: %q", words)
	}
}
