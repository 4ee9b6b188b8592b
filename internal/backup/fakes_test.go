package backup_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/backup"
	"github.com/bacvault/bacvault/internal/bacvault"
)

func (s *side) Copy(_ context.Context, source, target string) error {
	return s.call("copy", func() error {
		if _, taken := s.w.databases[target]; taken {
			return bacvault.Fail(bacvault.CodeCopyFailed, "%s exists", target)
		}
		s.w.databases[target] = maps.Clone(s.w.databases[source])
		s.w.databases[source][tabA]++ // life goes on: only the copy is consistent
		return nil
	})
}

func (s *side) Drop(_ context.Context, name string) error {
	return s.call("drop", func() error { delete(s.w.databases, name); return nil })
}

func (s *side) Exists(_ context.Context, name string) (ok bool, err error) {
	err = s.call("exists", func() error { _, ok = s.w.databases[name]; return nil })
	return ok, err
}

func (s *side) Count(_ context.Context, name string) (rows bacvault.Rows, err error) {
	err = s.call("count", func() error { rows = maps.Clone(s.w.databases[name]); return nil })
	return rows, err
}

func (s *side) Statistics(_ context.Context, name string) (rows bacvault.Rows, err error) {
	err = s.call("statistics", func() error { rows = s.w.stored(name); return nil })
	return rows, err
}

func (s *side) Preflight(context.Context, string) (backup.Facts, error) {
	return s.facts, s.call("preflight", func() error { return nil })
}

// stateOf is what the live database alone says of itself.
var stateOf = bacvault.SourceState{Collation: "Latin1_General_100_CI_AS", CompatibilityLevel: 170, Edition: "Standard", ServiceObjective: "S9", MaxSizeBytes: 250 << 30}

func (s *side) Source(_ context.Context, name string) (state bacvault.SourceState, err error) {
	err = s.call("source", func() error {
		if name == "db" {
			state = stateOf
		}
		return nil
	})
	return state, err
}

// export writes the rows that the database has as the archive.
func (s *side) export(_ context.Context, database, file, _ string, report func(bacvault.Work)) ([]string, error) {
	report(bacvault.Work{Note: "Exporting", Tables: 1})
	return s.warnings, s.call("export", func() error {
		rows := s.w.databases[database]
		if s.archive != nil {
			rows = s.archive
		}
		var b []byte
		for _, t := range rows.Tables() {
			b = fmt.Appendf(b, "%s %s %d\n", t.Schema, t.Name, rows[t])
		}
		b = append(b, '.')
		if s.file != nil {
			b = *s.file
		}
		if b == nil {
			return nil
		}
		return os.WriteFile(file, b, 0o600)
	})
}

func (s *side) verify(_ context.Context, r io.ReaderAt, size int64) (a bacvault.Archive, err error) {
	var rows bacvault.Rows
	err = s.call("verify", func() error {
		b, err := io.ReadAll(io.NewSectionReader(r, 0, size))
		if err != nil {
			return err
		}
		if !bytes.HasSuffix(b, []byte(".")) {
			return bacvault.Fail(bacvault.CodeVerifyBroken, "the archive has no end")
		}
		rows = bacvault.Rows{}
		for line := range strings.Lines(string(b[:len(b)-1])) {
			var t bacvault.Table
			var n int64
			if _, err := fmt.Sscan(line, &t.Schema, &t.Name, &n); err != nil {
				return err
			}
			rows[t] = n
		}
		return nil
	})
	return bacvault.Archive{Rows: rows.Without(s.unverified), Unverified: s.unverified}, err
}

func (s *side) Fingerprint(_ context.Context, _ string, tables []bacvault.Table) (map[bacvault.Table]string, []string, error) {
	out := map[bacvault.Table]string{}
	for _, t := range tables {
		out[t] = "print of " + t.Name
	}
	return out, []string{"dbo.a.picture"}, s.call("fingerprint", func() error { return nil })
}

func (s *side) ReadBack(_ context.Context, blob string, _ int64) (sum string, err error) {
	err = s.call("readback", func() error {
		if sum = s.w.blobs[blob].Blob.SHA256; s.rotten {
			sum = strings.Repeat("0", 64)
		}
		return nil
	})
	return sum, err
}

func (s *side) Manifest(_ context.Context, d bacvault.Database, at bacvault.Slot) (m bacvault.Manifest, ok bool, err error) {
	err = s.call("manifest", func() error {
		var b []byte
		if b, ok = s.w.manifests[d.BlobName(at)]; ok {
			m, err = bacvault.DecodeManifest(b)
		}
		return err
	})
	return m, ok, err
}

func (s *side) Head(_ context.Context, blob string) (st backup.Stored, ok bool, err error) {
	err = s.call("head", func() error { st, ok = s.w.blobs[blob]; return nil })
	return st, ok, err
}

type staged struct {
	s *side
	b bacvault.Blob
}

func (g staged) SHA256() string { return g.b.SHA256 }

// Sent says that half of it lay there already.
func (g staged) Sent() (int64, time.Duration) { return g.b.Size / 2, time.Second }

func (s *side) Stage(_ context.Context, blob string, r io.ReaderAt, size int64, progress func(int64)) (g backup.Staged, err error) {
	err = s.call("stage", func() error {
		h := sha256.New()
		n, err := io.Copy(h, io.NewSectionReader(r, 0, size))
		g = staged{s: s, b: bacvault.Blob{Name: blob, Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}}
		return err
	})
	progress(size)
	return g, err
}

// Commit is create-only; the same content that is there already is success, as the store's adapter settles it.
func (g staged) Commit(_ context.Context, meta map[string]string) (st backup.Stored, err error) {
	err = g.s.call("commit", func() error {
		if there, ok := g.s.w.blobs[g.b.Name]; ok {
			if there.Blob.SHA256 != g.b.SHA256 {
				return bacvault.Fail(bacvault.CodeVaultConflict, "the name is taken")
			}
			st = there
			return nil
		}
		st = backup.Stored{Blob: g.b, Created: g.s.w.now}
		st.Blob.ETag = "etag-" + meta["run"]
		g.s.w.blobs[g.b.Name] = st
		return nil
	})
	if err != nil {
		return backup.Stored{}, err
	}
	return st, nil
}

func (s *side) PutManifest(_ context.Context, m bacvault.Manifest) error {
	return s.call("putManifest", func() error {
		b, err := m.Encode()
		if err != nil {
			return err
		}
		if was, ok := s.w.manifests[m.Blob.Name]; ok && !bytes.Equal(was, b) {
			return bacvault.Fail(bacvault.CodeVaultConflict, "another manifest is there")
		}
		s.w.manifests[m.Blob.Name] = b
		return nil
	})
}

type lease struct {
	s *side
	h backup.Holder
}

func (s *side) Acquire(ctx context.Context, _ bacvault.Database, h backup.Holder) (out context.Context, l backup.Lease, by *backup.Holder, err error) {
	out, s.lose = context.WithCancelCause(ctx)
	err = s.call("acquire", func() error {
		if s.w.holder != nil {
			by = s.w.holder
			return nil
		}
		s.w.holder = &h
		l = lease{s, h}
		return nil
	})
	return out, l, by, err
}

func (l lease) Held(context.Context) error {
	return l.s.call("held", func() error {
		if l.s.w.holder == nil || l.s.w.holder.Run != l.h.Run {
			return bacvault.Fail(bacvault.CodeLeaseLost, "another run holds it")
		}
		return nil
	})
}

func (l lease) Release(context.Context) error {
	return l.s.call("release", func() error {
		if l.s.w.holder != nil && l.s.w.holder.Run == l.h.Run {
			l.s.w.holder = nil
		}
		return nil
	})
}

func (s *side) SavePending(_ context.Context, m bacvault.Manifest) error {
	return s.call("savePending", func() error {
		b, err := json.Marshal(m)
		s.w.pending[m.Blob.Name] = b
		return err
	})
}

func (s *side) Pending(_ context.Context, d bacvault.Database, at bacvault.Slot) (m bacvault.Manifest, ok bool, err error) {
	err = s.call("pending", func() error {
		var b []byte
		if b, ok = s.w.pending[d.BlobName(at)]; ok {
			return json.Unmarshal(b, &m)
		}
		return nil
	})
	return m, ok, err
}

func (s *side) DropPending(_ context.Context, d bacvault.Database, at bacvault.Slot) error {
	return s.call("dropPending", func() error { delete(s.w.pending, d.BlobName(at)); return nil })
}
