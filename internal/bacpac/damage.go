package bacpac

import (
	"bufio"
	"cmp"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Damage is one way to damage a sound archive, for the proof that a verification can fail.
type Damage struct {
	Name string // flipped-byte, cut, lost-part, lost-rows
	// Quick says that a sound verification need read no more than the largest part to notice. The others show in the counts
	// alone, once all of the archive was read.
	Quick bool
	open  func(ctx context.Context) (DamagedCopy, error)
}

// DamagedCopy is a damaged view of an archive. It holds a copy of the directory, and of what was changed; all else is read
// through from the archive.
type DamagedCopy struct {
	io.ReaderAt
	Size  int64  // bytes
	Where string // the part, the byte, the table
	// Unmade says why this archive has nothing to damage in this way; ReaderAt is then nil.
	Unmade string
}

// Open makes the view. An error is one of reading the archive.
func (d Damage) Open(ctx context.Context) (DamagedCopy, error) {
	c, err := d.open(ctx)
	if err != nil {
		return c, fmt.Errorf("damage a copy (%s): %w", d.Name, err)
	}
	return c, nil
}

// The bounds of what a damaged copy holds in memory, in bytes.
const (
	maxDamagedRels = 16 * mib
	maxDamagedPart = 16 * mib
)

// maxSmallParts are read at most in search of one that has more rows than the one it is to lose.
const maxSmallParts = 16

// Damages lists the ways to damage a sound archive. Parts and rows are lost only from tables that counted names, and whose
// rows can be counted beyond doubt: elsewhere no count could tell. The archive must stay readable as long as the views.
func Damages(ctx context.Context, r io.ReaderAt, size int64, counted func(bacvault.Table) bool) ([]Damage, error) {
	src := &source{ctx: ctx, r: r, size: size}
	lim := Limits{}.withDefaults()
	entries, err := readArchive(src, lim)
	if err != nil {
		return nil, fmt.Errorf("damage an archive: %w", err)
	}
	dir, err := findDirectory(src)
	if err != nil {
		return nil, fmt.Errorf("damage an archive: %w", err)
	}
	pkg, err := readPackage(src, entries, lim)
	if err != nil {
		return nil, fmt.Errorf("damage an archive: %w", err)
	}
	plans, err := makePlans(pkg, new([]string))
	if err != nil {
		return nil, fmt.Errorf("damage an archive: %w", err)
	}
	v := newVictim(r, size, dir, entries, plans.jobs, counted)
	return []Damage{
		{"flipped-byte", true, v.flipLargest},
		{"flipped-byte", true, func(ctx context.Context) (DamagedCopy, error) { return v.flip(ctx, v.entry(partModel)) }},
		{"cut", true, func(context.Context) (DamagedCopy, error) { return v.cut(size / 2), nil }},
		{"cut", true, func(context.Context) (DamagedCopy, error) { return v.cut(size - 1), nil }},
		{"lost-part", true, v.losePart},
		{"lost-part", true, v.loseBytes},
		{"lost-part", false, v.losePartWhole},
		{"lost-rows", false, v.loseRow},
	}, nil
}

// countedPart is a data part whose lost rows must show in the counts.
type countedPart struct {
	e      entry
	table  bacvault.Table
	fields []field
}

// victim is a sound archive with what of it can be lost.
type victim struct {
	r       io.ReaderAt
	size    int64
	dir     directory
	entries []entry // in the order of their bytes, which lie end to end
	// largest has the most compressed bytes of all data, whole of the counted parts; nil where there is none.
	largest *entry
	whole   *countedPart
	small   []countedPart // the smallest counted parts, the smallest first
}

func newVictim(r io.ReaderAt, size int64, dir directory, entries []entry, jobs []*job, counted func(bacvault.Table) bool) *victim {
	v := &victim{r: r, size: size, dir: dir, entries: slices.Clone(entries)}
	slices.SortFunc(v.entries, func(a, b entry) int { return cmp.Compare(a.header, b.header) })
	for _, j := range jobs { // the largest first
		if v.largest == nil && j.e.compressed > 0 {
			v.largest = j.e
		}
		if j.plan == nil || j.e.size == 0 || !j.plan.certain() || !counted(j.plan.table.Table) {
			continue
		}
		p := countedPart{*j.e, j.plan.table.Table, j.plan.layouts[0].fields}
		if v.whole == nil {
			v.whole = &p
		}
		v.small = append(v.small, p)
	}
	slices.SortStableFunc(v.small, func(a, b countedPart) int { return cmp.Compare(a.e.size, b.e.size) })
	v.small = slices.Clone(v.small[:min(len(v.small), maxSmallParts)])
	return v
}

func (v *victim) entry(name string) *entry {
	for i := range v.entries {
		if v.entries[i].name == name {
			return &v.entries[i]
		}
	}
	return nil
}

func unmade(format string, args ...any) (DamagedCopy, error) {
	return DamagedCopy{Unmade: fmt.Sprintf(format, args...)}, nil
}

func (v *victim) flipLargest(ctx context.Context) (DamagedCopy, error) {
	if v.largest == nil {
		return unmade("the archive has no data")
	}
	return v.flip(ctx, v.largest)
}

// flip turns the bits of one byte around in the middle of a part. In data that repeat themselves a changed distance can
// bring the same bytes, so the copy is looked at first: damage that changes nothing is none.
func (v *victim) flip(ctx context.Context, e *entry) (DamagedCopy, error) {
	const tries, stride = 16, 4099
	for k := range int64(tries) {
		at := e.data + (e.compressed/2+k*stride)%e.compressed
		var b [1]byte
		if err := (&source{ctx, v.r, v.size}).readFull(b[:], at); err != nil {
			return DamagedCopy{}, err
		}
		view := &view{}
		view.add(v.r, 0, at)
		view.bytes([]byte{^b[0]})
		view.add(v.r, at+1, v.size-at-1)
		same, err := sameContent(&source{ctx, view, v.size}, e)
		if err != nil {
			return DamagedCopy{}, err
		}
		if !same {
			return view.copy("part %s, byte %d of the archive", e.name, at), nil
		}
	}
	return unmade("part %s reads the same whatever byte is flipped", e.name)
}

// sameContent says that an entry still has the content that the directory promises. It reads with the standard library's
// inflate, not with that of the verification.
func sameContent(src *source, e *entry) (bool, error) {
	var in io.Reader = bufio.NewReaderSize(io.NewSectionReader(src, e.data, e.compressed), inputBytes)
	if e.method == methodDeflate {
		in = flate.NewReader(in)
	}
	sum := crc32.NewIEEE()
	n, err := io.Copy(sum, io.LimitReader(in, e.size+1))
	var below *sourceError
	if errors.As(err, &below) {
		return false, err
	}
	return err == nil && n == e.size && sum.Sum32() == e.crc, nil
}

func (v *victim) cut(size int64) DamagedCopy {
	view := &view{}
	view.add(v.r, 0, size)
	return view.copy("after %d of %d bytes", size, v.size)
}

// losePart takes a part out, bytes and record, while the relationships still name it.
func (v *victim) losePart(context.Context) (DamagedCopy, error) {
	if v.whole == nil {
		return unmade("the archive has no data part whose rows are counted")
	}
	return v.repack(map[string]change{v.whole.e.name: {gone: true}}).
		copy("part %s, while its relationships are left", v.whole.e.name), nil
}

// loseBytes takes the bytes of a part out, while its record in the directory is left.
func (v *victim) loseBytes(context.Context) (DamagedCopy, error) {
	if v.largest == nil {
		return unmade("the archive has no data")
	}
	return v.repack(map[string]change{v.largest.name: {gone: true, recorded: true}}).
		copy("part %s, while its record in the directory is left", v.largest.name), nil
}

// losePartWhole takes a part out with all that speaks of it.
func (v *victim) losePartWhole(ctx context.Context) (DamagedCopy, error) {
	rels := v.entry(partRels)
	switch {
	case v.whole == nil || rels == nil:
		return unmade("the archive has no data part whose rows are counted")
	case rels.size > maxDamagedRels:
		return unmade("the relationships of %d bytes are more than the %d that are held in memory", rels.size, maxDamagedRels)
	}
	b, err := v.content(ctx, rels)
	if err != nil {
		return DamagedCopy{}, err
	}
	less, n := withoutRelationships(b, v.whole.e.name)
	if n != 2 {
		return unmade("part %s has %d relationships, not one for its table and one for its schema", v.whole.e.name, n)
	}
	return v.repack(map[string]change{
		v.whole.e.name: {gone: true},
		partRels:       {content: less, size: int64(len(less)), crc: crc32.ChecksumIEEE(less)},
	}).copy("part %s with its relationships, of table %s", v.whole.e.name, v.whole.table), nil
}

// content reads a small part whole.
func (v *victim) content(ctx context.Context, e *entry) ([]byte, error) {
	in := newStream(&source{ctx, v.r, v.size})
	if err := in.open(e); err != nil {
		return nil, err
	}
	return io.ReadAll(in)
}
