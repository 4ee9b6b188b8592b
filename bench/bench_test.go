package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacpac"
	"github.com/bacvault/bacvault/standin/bacpacfile"
	"github.com/bacvault/bacvault/standin/stack"
)

// pairs is how often ours and the peer are timed in turn; the median of the pairwise ratios counts.
const pairs = 5

// row is one line of the table and of bench/out/latest.json.
type row struct {
	Name        string    `json:"name"`
	Ours        float64   `json:"ours"`
	Peer        string    `json:"peer"`
	PeerValue   float64   `json:"peerValue"`
	PeerVersion string    `json:"peerVersion"`
	Ratio       float64   `json:"ratio"`
	Goal        float64   `json:"goal"`
	Met         bool      `json:"met"`
	Unit        string    `json:"unit"`
	Pairs       []float64 `json:"pairs,omitempty"`
}

// BenchmarkPeers is one run of everything; go test -bench is only its way to be started.
func BenchmarkPeers(b *testing.B) {
	rows := []row{verifyBesideUnzip(b)}
	rows = append(rows, handlerAtRest(b)...)
	for _, r := range rows {
		fmt.Printf("%-34s ours %10.3f %-4s  %-12s %10.3f  ratio %.3f  goal %.3f  met %t\n", r.Name, r.Ours, r.Unit, r.Peer, r.PeerValue, r.Ratio, r.Goal, r.Met)
	}
	out, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		b.Fatal(err)
	}
	if err := os.MkdirAll("out", 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile("out/latest.json", append(out, '\n'), 0o644); err != nil {
		b.Fatal(err)
	}
}

// verifyBesideUnzip holds the verifier, which counts rows, against unzip -t, which only inflates and checks CRCs.
func verifyBesideUnzip(b *testing.B) row {
	path := bigArchive(b, 400)
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	r := row{Name: "verify wall", Peer: "unzip -t", PeerVersion: version("unzip", "-v"), Goal: 0.5, Unit: "s"}
	var ours, theirs []float64
	for range pairs {
		start := time.Now()
		rep, err := bacpac.Verify(context.Background(), f, info.Size(), bacpac.Options{})
		if err != nil || rep.Rows().Total() == 0 {
			b.Fatalf("%d rows, %v", rep.Rows().Total(), err)
		}
		a := time.Since(start).Seconds()
		start = time.Now()
		if out, err := exec.Command("unzip", "-tq", path).CombinedOutput(); err != nil {
			b.Fatalf("unzip: %v %s", err, out)
		}
		p := time.Since(start).Seconds()
		ours, theirs, r.Pairs = append(ours, a), append(theirs, p), append(r.Pairs, a/p)
	}
	r.Ours, r.PeerValue, r.Ratio = median(ours), median(theirs), median(r.Pairs)
	r.Met = r.Ratio <= r.Goal
	return r
}

// bigArchive repeats a real database's rows n times.
func bigArchive(b *testing.B, n int) string {
	raw, err := os.ReadFile("../testdata/bacpacs/adventureworkslt-2025.bacpac")
	if err != nil {
		b.Fatal(err)
	}
	file, err := bacpacfile.Decode(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		b.Fatal(err)
	}
	for i := range file.Tables {
		file.Tables[i].Rows = slices.Repeat(file.Tables[i].Rows, n)
	}
	path := filepath.Join(b.TempDir(), "big.bacpac")
	out, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	if err := bacpacfile.Encode(out, file, bacpacfile.EncodeOptions{}); err != nil {
		b.Fatal(err)
	}
	return path
}

// handlerAtRest measures the handler in a local Azure: from its start to its first answer, and its memory when idle.
func handlerAtRest(b *testing.B) []row {
	ctx := context.Background()
	store, err := stack.StartStore(ctx, "../standin/azurite", 1, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	root := packaged(b)
	s, err := stack.Start(ctx, stack.Options{
		Dir: b.TempDir(), Root: root, SQLPackage: "/nonexistent", Store: store, PolicyDays: 365,
		Databases: map[string]string{"DB": "../testdata/bacpacs/pubs.bacpac"},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var ready []float64
	for range pairs {
		start := time.Now()
		h, err := s.StartBackup(ctx, nil)
		if err != nil {
			b.Fatal(err)
		}
		ready = append(ready, float64(time.Since(start).Microseconds())/1000)
		if err := h.Close(); err != nil {
			b.Fatal(err)
		}
	}
	mib := rss(b, s.Backup.HandlerPID())
	return []row{
		{Name: "handler ready (with its host)", Ours: median(ready), Peer: "bound", PeerValue: 50, Ratio: median(ready) / 50, Goal: 1, Met: median(ready) <= 50, Unit: "ms", Pairs: ready},
		{Name: "handler idle memory", Ours: mib, Peer: "bound", PeerValue: 40, Ratio: mib / 40, Goal: 1, Met: mib <= 40, Unit: "MiB"},
	}
}

func packaged(b *testing.B) string {
	root := filepath.Join(b.TempDir(), "app")
	if err := os.CopyFS(root, os.DirFS("../functions")); err != nil {
		b.Fatal(err)
	}
	host, err := os.ReadFile("../host.json")
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "host.json"), host, 0o644); err != nil {
		b.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(root, "handler"), "../handler").CombinedOutput(); err != nil {
		b.Fatalf("build the handler: %v\n%s", err, out)
	}
	return root
}

// rss is a process's resident memory in MiB.
func rss(b *testing.B, pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for _, l := range strings.Split(string(status), "\n") {
		if rest, ok := strings.CutPrefix(l, "VmRSS:"); ok {
			n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			if err != nil {
				b.Fatal(err)
			}
			return float64(n) / 1024
		}
	}
	b.Fatal("no VmRSS")
	return 0
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

func version(name, flag string) string {
	out, err := exec.Command(name, flag).CombinedOutput()
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}
