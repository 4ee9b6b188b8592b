package servicebus_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A second client library, written by other people on another AMQP stack, sees the same namespace.
func TestJavaScriptClient(t *testing.T) {
	t.Parallel()
	modules, err := filepath.Abs("../azurite/node_modules")
	check(t, err)
	if _, err := os.Stat(filepath.Join(modules, "@azure", "service-bus")); err != nil {
		t.Fatal("@azure/service-bus is missing: run `npm ci` in standin/azurite")
	}
	b := plainBus(t)
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", filepath.Join("testdata", "js_client.cjs"), b.ConnectionString())
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var got map[string]any
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatalf("%v in %q", err, stdout.String())
	}
	// This client shows the delivery count as it is on the wire: 0 for the first.
	want := map[string]any{
		"peek":         []any{[]any{"js-1", "cohort", "active"}},
		"received":     []any{"js-1", "backup", map[string]any{"who": "js", "n": 7.0}, 0.0, "1"},
		"renewed":      true,
		"bodies":       []any{"no id", "array", "batch"},
		"abandoned":    []any{1.0, "busy"},
		"dead":         []any{"again", "Bad", "no database", "requests", "admit"},
		"deferred":     "later",
		"scheduled":    []any{[]any{"soon", "scheduled"}},
		"cameDue":      "soon",
		"all":          []any{"backup.completed", "backup.failed", "drill.passed"},
		"failures":     []any{"backup.failed"},
		"streamed":     20.0,
		"noSuchEntity": "MessagingEntityNotFound",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
	b.wantCounts("requests", counts{})
}
