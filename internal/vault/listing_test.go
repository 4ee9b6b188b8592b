package vault_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/vault"
)

// shelf is List Blobs over many databases that all have the same backups, in the order of names, 5,000 a page as the service
// has it. No name is held: name i is made when it is asked for.
type shelf struct {
	databases []bacvault.Database
	stems     []string // "_2026-11-24_020000.bacpac" and its like, sorted
	calls     atomic.Int64
}

// newShelf keeps one backup for each of the days before the last one, each with a manifest, every nth with a proof.
func newShelf(servers, databases, days, proofEvery int, last bacvault.Slot) *shelf {
	s := &shelf{}
	for i := range servers {
		for j := range databases {
			s.databases = append(s.databases, bacvault.Database{Server: fmt.Sprintf("srv%02d", i), Name: fmt.Sprintf("db%05d", j)})
		}
	}
	d := s.databases[0]
	for i := range days {
		at := last.Time().AddDate(0, 0, -i)
		blob := d.BlobName(bacvault.SlotAt(at))
		names := []string{blob, bacvault.ManifestName(blob)}
		if i%proofEvery == 0 {
			names = append(names, bacvault.ProofName(blob, at.Add(10*time.Hour)))
		}
		for _, n := range names {
			s.stems = append(s.stems, strings.TrimPrefix(n, stemless(d)))
		}
	}
	slices.Sort(s.stems)
	return s
}

func stemless(d bacvault.Database) string { return d.Prefix() + d.Server + "-" + d.Name }

func (s *shelf) name(i int) string {
	return stemless(s.databases[i/len(s.stems)]) + s.stems[i%len(s.stems)]
}

// from is the first name that is not before n.
func (s *shelf) from(n string) int {
	return sort.Search(len(s.databases)*len(s.stems), func(i int) bool { return s.name(i) >= n })
}

func (s *shelf) Do(r *http.Request) (*http.Response, error) {
	q := r.URL.Query()
	if r.Method != http.MethodGet || q.Get("comp") != "list" {
		return &http.Response{StatusCode: 501, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}
	s.calls.Add(1)
	page := 5000
	if n, err := strconv.Atoi(q.Get("maxresults")); err == nil && n < page {
		page = n
	}
	prefix, delimiter := q.Get("prefix"), q.Get("delimiter")
	var b strings.Builder
	i, next := s.from(max(prefix, q.Get("marker"))), ""
	for items := 0; i < len(s.databases)*len(s.stems); items++ {
		n := s.name(i)
		if !strings.HasPrefix(n, prefix) {
			break
		}
		if items == page {
			next = n
			break
		}
		if folder, _, ok := strings.Cut(n[len(prefix):], "/"); ok && delimiter == "/" {
			fmt.Fprintf(&b, "<BlobPrefix><Name>%s/</Name></BlobPrefix>", prefix+folder)
			i = s.from(prefix + folder + "0") // the byte after the slash
			continue
		}
		fmt.Fprintf(&b, "<Blob><Name>%s</Name><Properties><Content-Length>7</Content-Length></Properties></Blob>", n)
		i++
	}
	body := "<EnumerationResults><Blobs>" + b.String() + "</Blobs><NextMarker>" + next + "</NextMarker></EnumerationResults>"
	return &http.Response{
		StatusCode: 200, Header: http.Header{"Content-Type": {"application/xml"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

func onShelf(t *testing.T, s *shelf) *vault.Vault {
	t.Helper()
	v, err := vault.New(vault.Config{ContainerURL: "https://a.blob.core.windows.net/c", Credential: token{}, Transport: s})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// What a restore asks of one database among a thousand, and what the watch asks: all of it is in one Catalogue. A year is one
// page of the listing, ten years with a proof for each backup are three.
func TestOneDatabaseAmongAThousandTakesFewListingCalls(t *testing.T) {
	last := slotAt(2)
	for _, c := range []struct {
		name             string
		days, proofEvery int
		calls            int64
	}{
		{"a year, a proof for each backup", 365, 1, 1},
		{"ten years, a proof a week", 3650, 7, 2},
		{"ten years, a proof for each backup", 3650, 1, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShelf(1, 1000, c.days, c.proofEvery, last)
			v := onShelf(t, s)
			d := s.databases[500]
			list, err := v.Catalogue(t.Context(), d)
			if err != nil {
				t.Fatal(err)
			}
			if n := s.calls.Load(); n != c.calls {
				t.Errorf("%d listing calls, want %d", n, c.calls)
			}
			if len(list) != c.days {
				t.Fatalf("%d backups, want %d", len(list), c.days)
			}
			oldest, newest := last.Time().AddDate(0, 0, 1-c.days), last.Time()
			if !list[0].Slot.Time().Equal(oldest) || !list[c.days-1].Slot.Time().Equal(newest) {
				t.Errorf("from %s to %s, want from %s to %s", list[0].Slot, list[c.days-1].Slot, oldest, newest)
			}
			at := newest.AddDate(0, 0, -100)
			i, found := slices.BinarySearchFunc(list, at, func(e vault.Entry, at time.Time) int { return e.Slot.Time().Compare(at) })
			if !found || list[i].Blob != d.BlobName(bacvault.SlotAt(at)) {
				t.Errorf("the backup of %s is not in its place", at)
			}
			if e := list[c.days-1]; !e.HasManifest || e.Proofs != 1 || e.ProofNames[0] != bacvault.ProofName(e.Blob, newest.Add(10*time.Hour)) {
				t.Errorf("the newest one: %+v", e)
			}
		})
	}
}

func TestDatabasesTakeOneListingCallForEachServerAndOneMore(t *testing.T) {
	s := newShelf(3, 1000, 365, 7, slotAt(2))
	list, err := onShelf(t, s).Databases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(list, s.databases) {
		t.Errorf("%d databases, want %d", len(list), len(s.databases))
	}
	if n := s.calls.Load(); n != 4 {
		t.Errorf("%d listing calls, want 4", n)
	}
}

// The counts above would mean nothing on a shelf that gives more than the service does.
func TestTheShelfPagesAsTheServiceDoes(t *testing.T) {
	s := newShelf(1, 30, 365, 1, slotAt(2))
	got := map[string]int{}
	for _, q := range []string{"prefix=srv00/", "prefix=srv00/&maxresults=10", "prefix=srv00/&maxresults=9999", "delimiter=/&prefix=srv00/", "prefix=nobody/"} {
		r, err := http.NewRequest(http.MethodGet, "https://a/c?comp=list&"+q, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		got[q] = strings.Count(string(b), "<Name>")
		if more := !strings.Contains(string(b), "<NextMarker></NextMarker>"); more != (got[q] == 5000 || got[q] == 10) {
			t.Errorf("%s: %d names, more: %t", q, got[q], more)
		}
	}
	if got["prefix=srv00/"] != 5000 || got["prefix=srv00/&maxresults=10"] != 10 || got["prefix=srv00/&maxresults=9999"] != 5000 ||
		got["delimiter=/&prefix=srv00/"] != 30 || got["prefix=nobody/"] != 0 {
		t.Errorf("pages of %v names", got)
	}
}
