package bacvault_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

func tables(n int) (out []bacvault.TableCheck) {
	for i := range n {
		source, archive, restored := int64(i), int64(i), int64(i)
		out = append(out, bacvault.TableCheck{Table: bacvault.Table{Schema: "dbo", Name: fmt.Sprintf("%030d", i)}, Source: &source, Archive: &archive, Restored: &restored})
	}
	return out
}

func event(t *testing.T, kind bacvault.EventType, d bacvault.EventData) (bacvault.Event, int) {
	t.Helper()
	e := bacvault.NewEvent(kind, strings.Repeat("r", 72), 1, "/bacvault/stx/vault", "srv/db", time.Now(), d)
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return e, len(b)
}

func TestAnEventOfFiveThousandTablesFits(t *testing.T) {
	all := tables(5000)
	*all[7].Archive, all[3].Source = 9, nil // of few rows, and the very ones that a person must see
	blob := bacvault.Blob{Name: "srv/db/srv-db_2026-11-24_020000.bacpac"}
	target := bacvault.Database{Server: "srv", Name: "db_RESTORE"}
	for _, c := range []struct {
		kind  bacvault.EventType
		data  bacvault.EventData
		where string
	}{
		{bacvault.BackupCompleted, bacvault.EventData{Blob: &blob, Manifest: bacvault.ManifestName(blob.Name), Tables: all}, bacvault.ManifestName(blob.Name)},
		{bacvault.RestoreCompleted, bacvault.EventData{Blob: &blob, Target: &target, Tables: all}, "restores/srv/db_RESTORE"},
		{bacvault.RestoreFailed, bacvault.EventData{Blob: &blob, Target: &target, Tables: all}, "nowhere"},
	} {
		e, size := event(t, c.kind, c.data)
		kept := e.Data.Tables
		if size > bacvault.MaxEvent || size < bacvault.MaxEvent-500 {
			t.Errorf("%s: %d bytes", c.kind, size)
		}
		if o := e.Data.Omitted; len(o) != 1 || o[0].List != "tables" || o[0].Count != 5000-len(kept) || !strings.Contains(o[0].Where, c.where) {
			t.Errorf("%s: left out are %+v of %d", c.kind, o, len(kept))
		}
		if kept[0].Name != all[3].Name || kept[1].Name != all[7].Name || kept[len(kept)-1].Name != all[4999].Name || *kept[2].Source < 1000 {
			t.Errorf("%s: not the most telling ones are kept, in their order: %+v", c.kind, kept[:3])
		}
	}
	if len(all) != 5000 || *all[0].Source != 0 {
		t.Error("the caller's list was changed")
	}
}

func TestAnEventThatFitsIsWhole(t *testing.T) {
	d := bacvault.EventData{Tables: tables(1000), Findings: []string{strings.Repeat("x", 5000)}}
	if e, _ := event(t, bacvault.BackupCompleted, d); len(e.Data.Tables) != 1000 || len(e.Data.Findings[0]) != 5000 || e.Data.Omitted != nil {
		t.Errorf("%d tables, %v", len(e.Data.Tables), e.Data.Omitted)
	}
}

// A name that is cut names nothing: the longest that Azure takes for a blob is whole, in the places that a person goes to.
func TestNamesOfBlobsAreNeverCut(t *testing.T) {
	for _, d := range []bacvault.Database{{Server: "srv", Name: strings.Repeat(" ", 128)}, {Server: strings.Repeat("s", 63), Name: strings.Repeat("&", 128)}} {
		blob := d.BlobName(bacvault.SlotAt(time.Now()))
		manifest := bacvault.ManifestName(blob)
		e, _ := event(t, bacvault.BackupCompleted, bacvault.EventData{Blob: &bacvault.Blob{Name: blob}, Manifest: manifest, Tables: tables(5000)})
		if e.Data.Manifest != manifest || e.Data.Blob.Name != blob || !strings.Contains(e.Data.Omitted[0].Where, manifest) {
			t.Errorf("of %d letters %d are there: %s", len(manifest), len(e.Data.Manifest), e.Data.Omitted[0].Where)
		}
	}
	long := strings.Repeat("x", 1024)
	if e, _ := event(t, bacvault.BackupCompleted, bacvault.EventData{Manifest: long, Tables: tables(5000)}); e.Data.Manifest != long {
		t.Error("the longest name that Azure takes was cut")
	}
}

// Whatever is in it, an event can be published: all lists long, all texts long, in letters that JSON writes with six bytes.
func TestNoEventIsTooLarge(t *testing.T) {
	text := strings.Repeat("<é\x01", 40_000)
	var d bacvault.EventData
	long(reflect.ValueOf(&d).Elem(), text, 12)
	var list []string
	for i := range 4000 {
		list = append(list, fmt.Sprintf("finding %d %s", i, strings.Repeat("x", 100)))
	}
	d.Findings, d.Degraded, d.Proof.Findings, d.Promotion.Findings, d.Tables = list, list, list, list, tables(3000)
	d.Proof.Different = slices.Repeat([]bacvault.Difference{{Table: bacvault.Table{Schema: "dbo", Name: "t"}, Want: 1}}, 9000)
	d.Request, _ = json.Marshal(strings.Repeat("<", 4096)) // as a rejected one, which is larger than one that was taken
	e, size := event(t, bacvault.DrillFailed, d)
	if size > bacvault.MaxEvent {
		t.Fatalf("%d bytes", size)
	}
	if string(e.Data.Request) != string(d.Request) || len(e.Data.Degraded) == 0 || e.Data.Degraded[0] != "finding 0 "+strings.Repeat("x", 100) {
		t.Errorf("the request has %d of %d bytes, %d of degraded are told", len(e.Data.Request), len(d.Request), len(e.Data.Degraded))
	}
	said := map[string]int{}
	for _, o := range e.Data.Omitted {
		said[o.List] = o.Count
	}
	for name, n := range map[string][2]int{
		"degraded": {4000, len(e.Data.Degraded)}, "findings": {4000, len(e.Data.Findings)}, "proof.findings": {4000, len(e.Data.Proof.Findings)},
		"promotion.findings": {4000, len(e.Data.Promotion.Findings)}, "proof.different": {9000, len(e.Data.Proof.Different)}, "tables": {3000, len(e.Data.Tables)},
	} {
		if n[0]-n[1] != said[name] {
			t.Errorf("of %d %s %d are there, %d are said to be left out", n[0], name, n[1], said[name])
		}
	}
	if len(d.Findings) != 4000 || d.Failure.Detail != text {
		t.Error("what the caller holds was changed")
	}
}

// long fills every text, and every list of things that have a fixed number, such as stages.
func long(v reflect.Value, text string, n int) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		long(v.Elem(), text, n)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() || v.Type() == reflect.TypeFor[bacvault.Slot]() {
			return
		}
		for i := range v.NumField() {
			long(v.Field(i), text, n)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				long(v.Index(i), "word", n)
			}
		}
	case reflect.String:
		v.SetString(text)
	}
}

// A list that nobody cuts has a fixed number of entries; a new one must be put on either side.
func TestEveryListOfAnEventIsBounded(t *testing.T) {
	fixed := []string{"objects", "stages", "proof.stages", "proof.negative.cases", "promotion.steps", "omitted"}
	if got := slices.Concat(bacvault.Growing(), fixed); !sameNames(got, listsOf(reflect.TypeFor[bacvault.EventData](), "")) {
		t.Errorf("bounded are %v; an event has the lists %v", got, listsOf(reflect.TypeFor[bacvault.EventData](), ""))
	}
}

func sameNames(a, b []string) bool {
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func listsOf(t reflect.Type, at string) (out []string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		typ := f.Type
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		switch {
		case typ.Kind() == reflect.Slice && typ.Elem().Kind() != reflect.Uint8:
			out = append(out, strings.TrimPrefix(at+"."+name, "."))
		case typ.Kind() == reflect.Struct && typ != reflect.TypeFor[time.Time]() && typ != reflect.TypeFor[bacvault.Slot]():
			if f.Anonymous {
				out = append(out, listsOf(typ, at)...)
			} else {
				out = append(out, listsOf(typ, strings.TrimPrefix(at+"."+name, "."))...)
			}
		}
	}
	return out
}
