package bacpac

// Limits bound what a hostile or broken archive can make Verify spend. A zero field takes its default; the defaults leave
// room for archives of several hundred GB of rows.
type Limits struct {
	Entries      int   // entries in the archive; default 250 000 (a real export of 15 GB has some 18 000)
	Uncompressed int64 // bytes, declared by all entries together; default 2 TiB
	Ratio        int64 // uncompressed bytes for each compressed one; default 1032, the most that deflate can do
	ModelBytes   int64 // bytes of model.xml, uncompressed; default 1 GiB
	XMLBytes     int64 // bytes of each other XML part, uncompressed; default 64 MiB
	XMLToken     int64 // bytes of one tag or text of an XML part; default 16 MiB
	XMLDepth     int   // nested elements of an XML part; default 64 (real models have 12)
	XMLElements  int64 // elements of one XML part; default 20 million
}

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
	tib = 1 << 40

	// windowBytes is what a worker sees of a part at a time.
	windowBytes = 256 * kib
	// inputBytes is what a worker reads of the archive at a time.
	inputBytes = 128 * kib
	// maxNameBytes bounds an entry's name: schema and table are at most 128 characters each, escaped to nine bytes at worst.
	maxNameBytes = 4 * kib
	// smallEntry is below what a ratio says nothing: a few bytes of deflate carry fixed costs.
	smallEntry = 64 * kib
)

func (l Limits) withDefaults() Limits {
	setDefault(&l.Entries, 250_000)
	setDefault(&l.Uncompressed, 2*tib)
	setDefault(&l.Ratio, 1032)
	setDefault(&l.ModelBytes, gib)
	setDefault(&l.XMLBytes, 64*mib)
	setDefault(&l.XMLToken, 16*mib)
	setDefault(&l.XMLDepth, 64)
	setDefault(&l.XMLElements, 20_000_000)
	return l
}

func setDefault[N int | int64](field *N, value N) {
	if *field <= 0 {
		*field = value
	}
}
