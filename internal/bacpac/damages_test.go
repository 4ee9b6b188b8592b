package bacpac_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/internal/bacpac"
	"github.com/bacvault/bacvault/internal/bacvault"
)

func everyTable(bacvault.Table) bool { return true }

// opened gives every damaged copy of an archive, by name and place in the list.
func opened(t *testing.T, b []byte, counted func(bacvault.Table) bool) (names []string, copies []bacpac.DamagedCopy) {
	t.Helper()
	list, err := bacpac.Damages(t.Context(), bytes.NewReader(b), int64(len(b)), counted)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		c, err := d.Open(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", d.Name, err)
		}
		name := d.Name
		if !d.Quick {
			name += ", slow"
		}
		names, copies = append(names, name), append(copies, c)
	}
	return names, copies
}

// bytesOf reads a copy twice, whole and in odd pieces: both must be the same.
func bytesOf(t *testing.T, c bacpac.DamagedCopy) []byte {
	t.Helper()
	whole, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size))
	if err != nil || int64(len(whole)) != c.Size {
		t.Fatalf("%s: read %d of %d bytes: %v", c.Where, len(whole), c.Size, err)
	}
	pieces := make([]byte, c.Size)
	for at := int64(0); at < c.Size; at += 997 {
		p := pieces[at:min(at+997, c.Size)]
		if n, err := c.ReadAt(p, at); n != len(p) || err != nil && !errors.Is(err, io.EOF) {
			t.Fatalf("%s: %d of %d bytes at %d: %v", c.Where, n, len(p), at, err)
		}
	}
	if !bytes.Equal(whole, pieces) {
		t.Fatalf("%s: the view reads in two ways", c.Where)
	}
	if n, err := c.ReadAt(make([]byte, 1), c.Size); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("%s: %d bytes behind its end, %v", c.Where, n, err)
	}
	return whole
}

// TestWhatCatchesEachDamage says for every damage to every real archive what the verification says of it. Only a count can
// tell of rows that were lost in good order.
func TestWhatCatchesEachDamage(t *testing.T) {
	data := []struct{ name, says string }{
		{"flipped-byte", "part "}, {"flipped-byte", "part model.xml"}, {"cut", "cut short"}, {"cut", "trailing bytes|cut short"},
		{"lost-part", "is not in the archive"}, {"lost-part", "do not fit"}, {"lost-part, slow", "rows"}, {"lost-rows, slow", "rows"},
	}
	for _, name := range realNames {
		t.Run(name, func(t *testing.T) {
			b := readReal(t, name)
			sum := sha256.Sum256(b)
			names, copies := opened(t, b, everyTable)
			for i, want := range data {
				c := copies[i]
				if names[i] != want.name {
					t.Fatalf("damage %d is %s, want %s", i, names[i], want.name)
				}
				if wantRows(t, name).Total() == 0 && want.says != "part model.xml" && want.name != "cut" {
					if c.ReaderAt != nil || c.Unmade == "" {
						t.Errorf("%s: made of an archive without data: %+v", want.name, c)
					}
					continue
				}
				if c.ReaderAt == nil {
					t.Errorf("%s: not made: %s", want.name, c.Unmade)
					continue
				}
				report, err := verify(bytesOf(t, c))
				if want.says != "rows" {
					wantFailure(t, err, bacvault.CodeVerifyBroken)
					if !containsAny(err.Error(), want.says) {
						t.Errorf("%s (%s): %v", want.name, c.Where, err)
					}
					continue
				}
				if err != nil {
					t.Errorf("%s (%s): the archive itself is told: %v", want.name, c.Where, err)
				}
				diff := bacvault.Compare(wantRows(t, name), report.Rows())
				lost := int64(1)
				if want.name == "lost-part, slow" {
					lost = 0
				}
				if len(diff) != 1 || diff[0].Got >= diff[0].Want || lost > 0 && diff[0].Want-diff[0].Got != lost {
					t.Errorf("%s (%s): the counts differ by %v", want.name, c.Where, diff)
				}
			}
			if sha256.Sum256(b) != sum {
				t.Error("the archive itself was changed")
			}
		})
	}
}

func containsAny(s, words string) bool {
	for w := range strings.SplitSeq(words, "|") {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// What is not counted can't be missed: such tables are left alone.
func TestRowsAreLostOnlyWhereTheyAreCounted(t *testing.T) {
	b := readReal(t, "initech-desks")
	sections := bacvault.Table{Schema: "dbo", Name: "Sections"}
	_, copies := opened(t, b, func(t bacvault.Table) bool { return t == sections })
	for _, c := range copies[6:] {
		if !strings.Contains(c.Where, "dbo.Sections") {
			t.Errorf("lost is %s", c.Where)
		}
	}
	_, copies = opened(t, b, func(bacvault.Table) bool { return false })
	for _, i := range []int{4, 6, 7} {
		if copies[i].ReaderAt != nil {
			t.Errorf("lost is %s", copies[i].Where)
		}
	}
}

// bits writes a deflate stream by hand (RFC 1951): Huffman codes from their first bit on, numbers from their last.
type bits struct {
	out []byte
	n   int
}

func (b *bits) put(code string) {
	for _, c := range code {
		if b.n%8 == 0 {
			b.out = append(b.out, 0)
		}
		if c == '1' {
			b.out[b.n/8] |= 1 << (b.n % 8)
		}
		b.n++
	}
}

// TestDamageThatChangesNothingIsNone has zeros in matches that reach back thirteen bits of distance: whatever stands there, the
// same zeros come.
func TestDamageThatChangesNothingIsNone(t *testing.T) {
	const longest = "11000101" // a match of 258 bytes
	harmless := 0
	for far := 100; far < 110; far++ {
		s := &bits{}
		s.put("110" + "00110000") // the last block, fixed codes; the literal 0
		for range 130 {
			s.put(longest + "00000") // one byte back
		}
		for range far {
			s.put(longest + "11100" + "0000000000000") // 16385 bytes back
		}
		s.put("0000000") // the end
		zeros := strings.Repeat("\x00", 1+258*(130+far))
		files := filesOf(made("dbo", "T", []column{{typ: "tinyint", notNull: true}}, zeros))
		f := find(t, files, "Data/dbo.T/TableData-000-00000.BCP")
		f.raw = s.out
		b := zipped(t, files...)
		if _, err := verify(b); err != nil {
			t.Fatal(err)
		}
		middle := bytes.Clone(b)
		middle[bytes.Index(b, s.out)+len(s.out)/2] ^= 0xff
		if _, err := verify(middle); err == nil {
			harmless++
		}
		_, copies := opened(t, b, everyTable)
		_, err := verify(bytesOf(t, copies[0]))
		wantFailure(t, err, bacvault.CodeVerifyBroken, "part Data/dbo.T")
	}
	if harmless == 0 {
		t.Error("no flip in the middle was without effect: the test shows nothing")
	}
}

// Each kind of value is stepped over, NULL and long ones too.
func TestLastRowOfEachKindOfValue(t *testing.T) {
	columns := []column{
		{typ: "int", notNull: true}, {typ: "bit"}, {typ: "decimal", precision: 5, scale: 2}, {typ: "nvarchar", length: 10},
		{typ: "text"}, {typ: "varbinary", max: true}, {typ: "date", notNull: true}, {typ: "char", length: 2, notNull: true},
	}
	null := "\x01\x00\x00\x00" + "\xff" + "\xff" + "\xff\xff" + "\xff\xff\xff\xff" + strings.Repeat("\xff", 8) + "\x01\x00\x00" + "a\x00b\x00"
	full := "\x02\x00\x00\x00" + "\x01\x01" + "\x13\x05\x02\x01" + strings.Repeat("\x00", 16) + "\x04\x00a\x00b\x00" +
		"\x02\x00\x00\x00a\x00" + "\x03\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff" + "\x02\x00\x00" + "c\x00d\x00"
	for name, part := range map[string]string{"NULLs last": full + full + null, "values last": null + null + full, "one row": full} {
		want := strings.Count(part, "a\x00b\x00") // once in either row
		b := archiveOf(t, made("dbo", "T", columns, part))
		if report, err := verify(b); err != nil || report.Rows().Total() != int64(want) {
			t.Fatalf("%s: %v with %d rows", name, err, report.Rows().Total())
		}
		_, copies := opened(t, b, everyTable)
		c := copies[len(copies)-1]
		report, err := verify(bytesOf(t, c))
		if err != nil {
			t.Fatalf("%s: %s: %v", name, c.Where, err)
		}
		if got := report.Rows().Total(); got != int64(want)-1 || !strings.HasPrefix(c.Where, fmt.Sprintf("row %d,", want)) {
			t.Errorf("%s: %d rows are left, and lost was %s", name, got, c.Where)
		}
	}
}

// A damaged copy is made of an archive whatever its writer: descriptors, zip64 fields, stored parts, XML in another hand.
func TestDamagesOfEachKindOfZip(t *testing.T) {
	for name, edit := range map[string]func(*file){
		"another XML writer": func(f *file) {
			if f.name == "_rels/.rels" {
				f.data = bytes.ReplaceAll(f.data, []byte(" />"), []byte("></Relationship>"))
			}
		},
		"descriptors": func(f *file) { f.descriptor = 16 }, "zip64": func(f *file) { f.zip64 = true }, "stored": func(f *file) { f.stored = true },
	} {
		files := filesOf(made("dbo", "T", []column{{typ: "int", notNull: true}}, "aaaabbbb", "cccc"), made("dbo", "U", []column{{typ: "int"}}, "\xff"))
		for i := range files {
			edit(&files[i])
		}
		b := zipped(t, files...)
		whole, err := verify(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, copies := opened(t, b, everyTable)
		for i, c := range copies {
			report, err := verify(bytesOf(t, c))
			caught := err != nil || len(bacvault.Compare(whole.Rows(), report.Rows())) > 0
			if !caught || i >= 6 && err != nil {
				t.Errorf("%s: damage %d, %s: %v", name, i, c.Where, err)
			}
		}
	}
}

func TestDamagesOfWhatCannotBeRead(t *testing.T) {
	b := readReal(t, "pubs")
	ctx, cancel := context.WithCancel(t.Context())
	list, err := bacpac.Damages(ctx, bytes.NewReader(b), int64(len(b)), everyTable)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	kinds := []string{}
	for _, d := range list {
		if _, err := d.Open(ctx); errors.Is(err, context.Canceled) {
			kinds = append(kinds, d.Name)
		}
	}
	if d := cmp.Diff([]string{"flipped-byte", "flipped-byte", "lost-part", "lost-rows"}, kinds); d != "" {
		t.Errorf("what reads the archive ends with the context: %s", d)
	}
	if _, err := bacpac.Damages(t.Context(), bytes.NewReader(b[:99]), 99, everyTable); err == nil {
		t.Error("a broken archive has nothing to damage")
	}
}
