package status

import (
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"

	"github.com/bacvault/bacvault/internal/watch"
)

// The drawings are SVG made of numbers only, so that they may pass the template as they are. Each has its text alternative.

// slotStates from worst to best, with what a person calls them and the shape that tells them apart without colour.
var slotStates = []struct {
	State watch.SlotState
	Label string
	shape func(b *strings.Builder, x int)
}{
	{watch.SlotFailed, "failed", func(b *strings.Builder, x int) {
		move(b, x+1, " 0l3 3 3-3 1.5 1.5-3 3 3 3-1.5 1.5-3-3-3 3-1.5-1.5 3-3-3-3z")
	}},
	{watch.SlotMissed, "missed", func(b *strings.Builder, x int) { move(b, x, " 6.5h8v2.5h-8z") }},
	{watch.SlotOrphan, "orphan", func(b *strings.Builder, x int) { move(b, x, " 9l4-9 4 9z") }},
	{watch.SlotTaken, "taken", func(b *strings.Builder, x int) { move(b, x, " 0h8v9h-8z"); move(b, x+2, " 2v5h4v-5z") }},
	{watch.SlotProven, "proven", func(b *strings.Builder, x int) { move(b, x, " 0h8v9h-8z") }},
}

// move begins a shape at x.
func move(b *strings.Builder, x int, shape string) {
	b.WriteByte('M')
	b.WriteString(strconv.Itoa(x))
	b.WriteString(shape)
}

// most is how many squares a strip holds; a month of nights and as many ad hoc slots again stay readable.
const most = 60

// strip draws one square for each slot.
func strip(slots []Slot) template.HTML {
	if len(slots) == 0 {
		return `<span class="mute">no slot yet</span>`
	}
	shown := slots[max(0, len(slots)-most):]
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="strip" role="img" viewBox="0 0 %[1]d 9" width="%[1]d" height="9" aria-label="%[2]s">`, len(shown)*10-2, stripWords(slots))
	for _, kind := range slotStates {
		var path strings.Builder
		for i, s := range shown {
			if s.State == kind.State {
				kind.shape(&path, i*10)
			}
		}
		if path.Len() > 0 {
			fmt.Fprintf(&b, `<path class="s-%s" d="%s"/>`, kind.Label, &path)
		}
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// stripWords counts each state and dates what is not good.
func stripWords(slots []Slot) string {
	const named = 5
	var parts []string
	for i := len(slotStates) - 1; i >= 0; i-- {
		kind := slotStates[i]
		n := 0
		var when []string
		for _, s := range slots {
			if s.State == kind.State {
				n++
				if kind.State != watch.SlotProven && kind.State != watch.SlotTaken {
					when = append(when, s.Slot.Time().Format("01-02"))
				}
			}
		}
		if n == 0 {
			continue
		}
		p := strconv.Itoa(n) + " " + kind.Label
		if len(when) > 0 {
			p += " (" + strings.Join(when[max(0, n-named):], ", ") + ")"
		}
		parts = append(parts, p)
	}
	return fmt.Sprintf("%d slots: %s", len(slots), strings.Join(parts, ", "))
}

// legend is one square of a kind.
func legend(label string) template.HTML {
	var path strings.Builder
	for _, kind := range slotStates {
		if kind.Label == label {
			kind.shape(&path, 0)
			return template.HTML(fmt.Sprintf(`<svg class="strip" aria-hidden="true" viewBox="0 0 8 9" width="11" height="12"><path class="s-%s" d="%s"/></svg>`, label, &path))
		}
	}
	return ""
}

// sizes are those of the stored slots, oldest first.
func sizes(slots []Slot) (out []int64) {
	for _, s := range slots {
		if s.Size > 0 && (s.State == watch.SlotTaken || s.State == watch.SlotProven) {
			out = append(out, s.Size)
		}
	}
	return out
}

// spark draws the trend of the sizes; the lowest and the highest are in its words.
func spark(slots []Slot) template.HTML {
	all := sizes(slots)
	if len(all) < 2 {
		return ""
	}
	lo, hi := slices.Min(all), slices.Max(all)
	const width, height = 72, 16
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="spark" role="img" viewBox="-1 -1 %d %d" width="%d" height="%d" aria-label="%s"><path d="`,
		width+2, height+2, width+2, height+2, fmt.Sprintf("last %d sizes: %s to %s", len(all), mib(lo), mib(hi)))
	// A trend of a few per cent is a flat line: the scale is never finer than a tenth of the size.
	span := max(float64(hi-lo), float64(hi)/10, 1)
	mid := float64(hi+lo) / 2
	for i, v := range all {
		y := height/2 - (float64(v)-mid)/span*height
		b.WriteByte("ML"[min(i, 1)])
		b.WriteString(short(float64(i) * width / float64(len(all)-1)))
		b.WriteByte(' ')
		b.WriteString(short(y))
	}
	b.WriteString(`"/></svg>`)
	return template.HTML(b.String())
}

func short(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }

// mib is a size as people read it.
func mib(n int64) string {
	if n < 100<<20 {
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return thousands(n>>20) + " MiB"
}

func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
