package sqlpackage

import (
	"bytes"
	"regexp"
	"strings"
	"sync"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Stream is where a line came from. sqlpackage puts errors on either.
type Stream string

// The two streams.
const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
)

// Line is one line of output, scrubbed of anything like a secret and cut at 4 KiB.
type Line struct {
	Stream Stream
	Text   string
	Table  *bacvault.Table // the table that the line says is processed, or nil
	Tables int             // tables named so far
}

const (
	maxLine  = 4 << 10
	maxNames = 1 << 17 // more tables than any bacpac holds; a flood of lines stays bounded
	// expiredLimit is how many expired-token lines end the run. After one, a fresh connection may have helped.
	expiredLimit = 3
)

// output takes both streams apart into lines and keeps a bounded part of them.
type output struct {
	report  func(Line)
	expired chan struct{} // closed when the token-expired lines keep coming

	mu      sync.Mutex
	printed int64
	all     excerpt
	notable excerpt // lines that say what is wrong: a dumped script must not push them out
	tables  []bacvault.Table
	seen    map[bacvault.Table]bool
	expiry  int
	streams []*lineWriter
}

func newOutput(limit int, report func(Line)) *output {
	return &output{
		report: report, expired: make(chan struct{}), seen: map[bacvault.Table]bool{},
		all: excerpt{limit: limit / 2}, notable: excerpt{limit: limit / 2},
	}
}

// written is the bytes printed so far on both streams.
func (o *output) written() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.printed
}

func (o *output) stream(s Stream) *lineWriter {
	w := &lineWriter{out: o, name: s}
	o.streams = append(o.streams, w)
	return w
}

// flush takes last lines that have no newline. Call it when nobody writes any more.
func (o *output) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, w := range o.streams {
		w.endLine()
	}
}

var (
	notableLine  = regexp.MustCompile(`^\*\*\* |Error SQL\d+|\bMsg \d+|[Uu]nexpected failure|[Uu]nhandled [Ee]xception|Exception:|No space left`)
	expiredToken = regexp.MustCompile(`(?i)token is expired`)
)

// take files one whole line; mu is held.
func (o *output) take(s Stream, raw string) {
	text := scrub(strings.TrimRight(strings.ToValidUTF8(raw, "\uFFFD"), " \r\t"))
	if text == "" {
		return
	}
	o.all.add(text)
	l := Line{Stream: s, Text: text}
	if t, ok := parseTable(text); ok {
		l.Table = &t
		if !o.seen[t] && len(o.tables) < maxNames {
			o.seen[t] = true
			o.tables = append(o.tables, t)
		}
	} else if notableLine.MatchString(text) {
		o.notable.add(text)
	}
	l.Tables = len(o.tables)
	if expiredToken.MatchString(text) && l.Table == nil {
		if o.expiry++; o.expiry == expiredLimit {
			close(o.expired)
		}
	}
	if o.report != nil {
		o.report(l)
	}
}

// lineWriter cuts one stream into lines. The rest of an overlong line is thrown away, so that a secret is never split.
type lineWriter struct {
	out  *output
	name Stream
	buf  []byte
}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.out.mu.Lock()
	defer w.out.mu.Unlock()
	w.out.printed += int64(len(b))
	for rest := b; len(rest) > 0; {
		i := bytes.IndexAny(rest, "\n\r")
		part := rest
		if i >= 0 {
			part, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		w.buf = append(w.buf, part[:min(len(part), maxLine-len(w.buf))]...)
		if i >= 0 {
			w.endLine()
		}
	}
	return len(b), nil
}

func (w *lineWriter) endLine() {
	w.out.take(w.name, string(w.buf))
	w.buf = w.buf[:0]
}

// excerpt keeps the first and the last lines, half of the limit (bytes) each.
type excerpt struct {
	limit    int
	head     []string
	headSize int
	tail     []string
	tailSize int
	cut      bool
}

func (e *excerpt) add(s string) {
	if !e.cut && len(e.tail) == 0 && e.headSize+len(s) <= e.limit/2 {
		e.head, e.headSize = append(e.head, s), e.headSize+len(s)
		return
	}
	e.tail, e.tailSize = append(e.tail, s), e.tailSize+len(s)
	for e.tailSize > e.limit/2 && len(e.tail) > 1 {
		e.tailSize -= len(e.tail[0])
		e.tail, e.cut = e.tail[1:], true
	}
}

func (e *excerpt) lines() []string { return append(append([]string{}, e.head...), e.tail...) }

// last is the last n lines.
func (e *excerpt) last(n int) []string {
	l := e.lines()
	return l[max(0, len(l)-n):]
}
