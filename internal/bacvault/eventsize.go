package bacvault

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
)

// MaxEvent bounds an event's body. Service Bus Standard takes messages of 256 KiB, properties among it: what is left is room for
// ours, and for those that dead-lettering adds (twice 4,096 bytes). In base64, as many tools pass a message on, it is just 256 KiB.
const MaxEvent = 192 << 10

// longestText bounds each text of an event that would be too large, as JSON writes it. No name of a blob is longer, not even one of 128
// ampersands, each of which takes six letters and stands there twice: half a name names nothing.
const longestText = 2 << 10

// Omitted says of a list how many of its entries an event had no room for.
type Omitted struct {
	// List is the field, such as tables or proof.findings.
	List  string `json:"list"`
	Count int    `json:"count"`
	// Where says in words where the whole list stands.
	Where string `json:"where"`
}

// list is one that can grow with the database. take shows it without all but some entries, which it gets by their places.
type list struct {
	name  string
	n     int
	order []int // the most telling first
	size  func(i int) int
	keep  func(places []int)
}

// growing lists them, those first that a person needs most.
func (d *EventData) growing() []list {
	proof, promotion := d.Proof, d.Promotion
	if proof == nil {
		proof = &Proof{}
	}
	if promotion == nil {
		promotion = &Promotion{}
	}
	return []list{
		listOf("degraded", &d.Degraded), listOf("findings", &d.Findings), listOf("proof.findings", &proof.Findings),
		listOf("promotion.findings", &promotion.Findings), listOf("proof.different", &proof.Different), listOf("tables", &d.Tables).by(telling(d.Tables)),
	}
}

func listOf[T any](name string, at *[]T) list {
	all := *at
	order := make([]int, len(all))
	for i := range all {
		order[i] = i
	}
	return list{name: name, n: len(all), order: order,
		size: func(i int) int { return jsonSize(all[i]) + len(",") },
		keep: func(places []int) {
			*at = nil
			for _, i := range places {
				*at = append(*at, all[i])
			}
		},
	}
}

func (l list) by(order []int) list {
	l.order = order
	return l
}

// telling puts the tables first whose sides are not equal, or were not all counted, then those with the most rows.
func telling(tables []TableCheck) []int {
	rank := make([]int64, len(tables))
	order := make([]int, len(tables))
	for i, t := range tables {
		order[i] = i
		var counts []int64
		for _, c := range []*int64{t.Source, t.Archive, t.Restored} {
			if c != nil {
				counts = append(counts, *c)
				rank[i] = max(rank[i], *c)
			}
		}
		slices.Sort(counts)
		if len(counts) < 2 || len(slices.Compact(counts)) > 1 || t.Source == nil || t.Archive == nil || t.Fingerprint == "differs" {
			rank[i] = -1
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if alone := cmp.Compare(min(rank[a], 0), min(rank[b], 0)); alone != 0 {
			return alone
		}
		return cmp.Compare(rank[b], rank[a])
	})
	return order
}

// fit makes an event small enough to be published, and says what it leaves out; one that is small enough stays as it is. What the
// caller holds is not touched.
func (e *Event) fit() {
	b, err := json.Marshal(e.Data)
	if err != nil || jsonSize(e) <= MaxEvent { // whoever sends it tells the error
		return
	}
	var d EventData
	if json.Unmarshal(b, &d) != nil {
		return
	}
	e.Data = d
	shorten(reflect.ValueOf(&e.Data).Elem())
	lists := e.Data.growing()
	for _, l := range lists {
		if l.n > 0 {
			e.Data.Omitted = append(e.Data.Omitted, Omitted{List: l.name, Count: l.n, Where: e.whole(l.name)})
			l.keep(nil)
		}
	}
	room := MaxEvent - jsonSize(e)
	var left []Omitted
	for _, l := range lists {
		if l.n == 0 {
			continue
		}
		var kept []int
		room -= len(`"":[],`) + len(l.name)
		for _, i := range l.order {
			n := l.size(i)
			if n > room {
				break
			}
			kept, room = append(kept, i), room-n
		}
		slices.Sort(kept)
		l.keep(kept)
		if more := l.n - len(kept); more > 0 {
			left = append(left, Omitted{List: l.name, Count: more, Where: e.whole(l.name)})
		}
	}
	e.Data.Omitted = left
}

// whole says where a list stands that an event has no room for.
func (e *Event) whole(list string) string {
	d := e.Data
	stored := list == "tables" || list == "degraded"
	switch {
	case strings.HasPrefix(list, "proof.") && d.Proof.Schema != "":
		return "the proof " + ProofName(d.Proof.Blob, d.Proof.At) + " in the vault"
	case stored && d.Manifest != "":
		return "the manifest " + d.Manifest + " in the vault"
	case e.Type == RestoreCompleted && d.Target != nil:
		return "restores/" + strings.TrimSuffix(d.Target.Prefix(), "/") + " in the state container, until something is restored to that name again"
	}
	return "nowhere else"
}

// shorten cuts every text that is long.
func shorten(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			shorten(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				shorten(v.Field(i))
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 { // the request, which has a bound of its own
			return
		}
		for i := range v.Len() {
			shorten(v.Index(i))
		}
	case reflect.String:
		if s := v.String(); len(s) > longestText/6 && jsonSize(s) > longestText {
			v.SetString(shortened(s))
		}
	}
}

// shortened is the longest beginning that fits, with a sign that there was more.
func shortened(s string) string {
	r := []rune(s)
	r = r[:min(len(r), longestText)]
	fits := func(n int) bool { return jsonSize(string(r[:n])+"…") <= longestText }
	lo, hi := 0, len(r)
	for lo < hi {
		if mid := (lo + hi + 1) / 2; fits(mid) {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return string(r[:lo]) + "…"
}

func jsonSize(v any) int {
	b, err := json.Marshal(v)
	if err != nil {
		return 0
	}
	return len(b)
}
