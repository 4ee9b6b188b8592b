// Package page drives a real browser over the status page.
package page_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/status"
)

// limit bounds the whole drive, which takes a minute on an idle machine.
const limit = 10 * time.Minute

// result is a line that check.mjs prints.
type result struct {
	Name  string `json:"name"`
	Error string `json:"error"`
}

// TestPageInABrowser serves each scenario as the function would and lets check.mjs look at it in Chromium. A machine without
// Chromium or node fails it.
func TestPageInABrowser(t *testing.T) {
	chromium := browser(t)
	if _, err := os.Stat("node_modules/playwright-core"); err != nil {
		t.Fatalf("playwright-core is not installed, run make test or npm ci in e2e/page: %v", err)
	}
	shots := artefacts(t)
	srv := httptest.NewServer(pages(t))
	defer srv.Close()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "check.mjs", srv.URL, chromium, shots)
	cmd.WaitDelay = 5 * time.Second
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	n := 0
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var r result
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("check.mjs printed %q: %v", lines.Text(), err)
		}
		n++
		t.Run(r.Name, func(t *testing.T) {
			if r.Error != "" {
				t.Error(r.Error)
			}
		})
	}
	if err != nil {
		t.Errorf("check.mjs: %v\n%s", err, &complaints)
	}
	if n < leastChecks {
		t.Errorf("only %d checks were made", n)
	}
}

// leastChecks keeps a script that checked nothing from passing.
const leastChecks = 40

func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("there is no Chromium: apt-get install chromium")
	return ""
}

// artefacts is the folder for the screenshots, outside of what is committed.
func artefacts(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("BACVAULT_ARTEFACTS")
	if dir == "" {
		dir = "../../.build/artefacts"
	}
	dir, err := filepath.Abs(filepath.Join(dir, "page"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// pages answers as the status function does, with the scenario as the first part of the path.
func pages(t *testing.T) http.Handler {
	models := map[string]status.Model{}
	for name, in := range scenarios() {
		models[name] = status.New(in)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m, ok := models[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		for name, value := range m.Headers() {
			w.Header().Set(name, value)
		}
		b, err := m.Page(r.URL.Query())
		if err != nil {
			t.Error(err)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if _, err := w.Write(b); err != nil {
			t.Logf("the browser went away: %v", err)
		}
	})
}
