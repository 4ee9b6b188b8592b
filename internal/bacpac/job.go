package bacpac

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// job is one part to read to its end, by walking it if it has a plan.
type job struct {
	e     *entry
	plan  *plan
	walks []walked // one for each of the plan's layouts
}

// walked is what one layout made of a part.
type walked struct {
	rows          int64
	shortDecimals int64
	err           *fieldError
}

// walkAll reads every part with a bounded number of workers, and gives the bytes that were walked.
func walkAll(src *source, jobs []*job, o Options) (int64, error) {
	group, ctx := errgroup.WithContext(src.ctx)
	shared := &source{ctx: ctx, r: src.r, size: src.size}
	meter := &meter{report: o.Progress}
	var next atomic.Int64
	for range min(o.Workers, len(jobs)) {
		group.Go(func() error {
			w := &worker{in: newStream(shared), meter: meter}
			w.walker.buf = make([]byte, windowBytes)
			for {
				i := next.Add(1) - 1
				if i >= int64(len(jobs)) {
					return nil
				}
				if err := w.do(jobs[i]); err != nil {
					return err
				}
			}
		})
	}
	err := group.Wait()
	return meter.bytes, err
}

// worker has the buffers for one part at a time.
type worker struct {
	in     *stream
	walker walker
	meter  *meter
}

func (w *worker) do(j *job) error {
	if j.plan == nil {
		if err := w.in.open(j.e); err != nil {
			return brokenPart(j.e, err)
		}
		return w.in.drain(w.walker.buf)
	}
	for i := range j.walks {
		if err := w.walk(j, i); err != nil {
			return err
		}
	}
	return nil
}

// walk tries one layout. Damage to the bytes is told before what it did to the rows, so the part is read to its end
// whatever the walk says.
func (w *worker) walk(j *job, i int) error {
	if err := w.in.open(j.e); err != nil {
		return brokenPart(j.e, err)
	}
	var r io.Reader = w.in
	if i == 0 {
		r = &metered{r: w.in, meter: w.meter}
	}
	err := w.walker.walk(r, j.e.size, j.plan.layouts[i].fields)
	out := &j.walks[i]
	out.rows, out.shortDecimals = w.walker.rows, w.walker.shortDecimals
	if err == nil || !errors.As(err, &out.err) {
		return err
	}
	if err := w.in.drain(w.walker.buf); err != nil {
		return err
	}
	if j.plan.certain() {
		return j.broken(j.plan.table)
	}
	return nil
}

// certain says that a part which does not fit is broken, and there is no other way to read it.
func (p *plan) certain() bool { return len(p.layouts) == 1 && len(p.doubts) == 0 }

// broken is the failure of a part whose bytes are not rows of its table.
func (j *job) broken(t *table) error { return broken("%s", j.detail(t)) }

// detail says where the walk of the first layout ended.
func (j *job) detail(t *table) string {
	for _, w := range j.walks {
		if e := w.err; e != nil {
			return fmt.Sprintf("part %s: table %s, column %s, row %d, offset %d: %s", j.e.name, t.Table, t.columns[e.col].name, e.row, e.offset, e.what)
		}
	}
	return ""
}

// note tells what is odd about a part that fits.
func (j *job) note(notes *[]string) {
	if j.e.size == 0 {
		*notes = append(*notes, fmt.Sprintf("part %s is empty, although exports write no part for no rows", j.e.name))
	}
	for _, w := range j.walks {
		if w.err == nil && w.shortDecimals > 0 {
			*notes = append(*notes, fmt.Sprintf("part %s: %d decimals in the short form of old writers", j.e.name, w.shortDecimals))
		}
	}
}

// meter adds up what all workers walked.
type meter struct {
	mu     sync.Mutex
	bytes  int64
	report func(int64)
}

func (m *meter) add(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bytes += int64(n)
	if m.report != nil {
		m.report(m.bytes)
	}
}

type metered struct {
	r     io.Reader
	meter *meter
}

// Read implements io.Reader.
func (m *metered) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if n > 0 {
		m.meter.add(n)
	}
	return n, err
}
