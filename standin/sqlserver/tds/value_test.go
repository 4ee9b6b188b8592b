package tds

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
)

func at(y, m, d, h, min, s, ns int) time.Time {
	return time.Date(y, time.Month(m), d, h, min, s, ns, time.UTC)
}

var zoned = time.Date(2026, 3, 1, 1, 30, 0, 100, time.FixedZone("", -150*60))

// values are all types, each with its edges.
var values = []struct {
	t  Type
	vs []any
}{
	{Type{Name: "tinyint"}, []any{int64(0), int64(255)}},
	{Type{Name: "smallint"}, []any{int64(math.MinInt16), int64(math.MaxInt16)}},
	{Type{Name: "int"}, []any{int64(math.MinInt32), int64(math.MaxInt32)}},
	{Type{Name: "bigint"}, []any{int64(math.MinInt64), int64(math.MaxInt64)}},
	{Type{Name: "bit"}, []any{true, false}},
	{Type{Name: "real"}, []any{float32(1.5), float32(-math.MaxFloat32)}},
	{Type{Name: "float"}, []any{-0.1, math.MaxFloat64}},
	{Type{Name: "decimal", Precision: 9, Scale: 9}, []any{"0.000000001", "-0.999999999"}},
	{Type{Name: "decimal", Precision: 38, Scale: 6}, []any{"99999999999999999999999999999999.999999", "-0.000001", "0.000000"}},
	{Type{Name: "numeric", Precision: 19}, []any{"-9999999999999999999", "7"}},
	{Type{Name: "money"}, []any{"922337203685477.5807", "-922337203685477.5808", "-0.0001"}},
	{Type{Name: "smallmoney"}, []any{"214748.3647", "-214748.3648"}},
	{Type{Name: "date"}, []any{at(1, 1, 1, 0, 0, 0, 0), at(9999, 12, 31, 0, 0, 0, 0)}},
	{Type{Name: "time", Scale: 7}, []any{at(1, 1, 1, 23, 59, 59, 999999900)}},
	{Type{Name: "time", Scale: 3}, []any{at(1, 1, 1, 23, 59, 59, 999000000)}},
	{Type{Name: "time"}, []any{at(1, 1, 1, 12, 34, 56, 0)}},
	{Type{Name: "datetime2", Scale: 7}, []any{at(1, 1, 1, 0, 0, 0, 100), at(9999, 12, 31, 23, 59, 59, 999999900)}},
	{Type{Name: "datetime2", Scale: 2}, []any{at(2026, 2, 28, 1, 2, 3, 40000000)}},
	{Type{Name: "datetimeoffset", Scale: 7}, []any{zoned, zoned.In(time.FixedZone("", 14*3600))}},
	{Type{Name: "datetime"}, []any{at(1753, 1, 1, 0, 0, 0, 3333300), at(9999, 12, 31, 23, 59, 59, 996666700)}},
	{Type{Name: "smalldatetime"}, []any{at(1900, 1, 1, 0, 0, 0, 0), at(2079, 6, 6, 23, 59, 0, 0)}},
	{Type{Name: "uniqueidentifier"}, []any{[16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}}},
	{Type{Name: "char", Length: 5}, []any{"abcde", "é    "}},
	{Type{Name: "varchar", Length: 8000}, []any{"", "naïve € \u0081", strings.Repeat("x", 8000)}},
	{Type{Name: "nchar", Length: 5}, []any{"日本   "}},
	{Type{Name: "nvarchar", Length: 4000}, []any{"", "a😀bc", strings.Repeat("日", 4000)}},
	{Type{Name: "varchar", Length: -1}, []any{"", strings.Repeat("x", 70000)}},
	{Type{Name: "nvarchar", Length: -1}, []any{"", strings.Repeat("日", 70000)}},
	{Type{Name: "xml"}, []any{"<a>é</a>"}},
	{Type{Name: "binary", Length: 3}, []any{[]byte{1, 2, 3}}},
	{Type{Name: "varbinary", Length: 8000}, []any{[]byte{}, bytes.Repeat([]byte{0xFF}, 8000)}},
	{Type{Name: "varbinary", Length: -1}, []any{[]byte{}, bytes.Repeat([]byte{7}, 70000)}},
}

func TestValuesSurviveTheWire(t *testing.T) {
	for _, c := range values {
		info := c.t.info()
		for _, v := range append(c.vs, nil) {
			b, err := c.t.appendValue(nil, v)
			if err != nil {
				t.Errorf("%s: %v", c.t.Name, err)
				continue
			}
			in := bytes.NewReader(append(append([]byte{}, info...), b...))
			r := &reader{r: in}
			got := r.value(r.typeInfo())
			if r.err != nil || in.Len() != 0 {
				t.Errorf("%s: %v, %d bytes left", c.t.Name, r.err, in.Len())
			}
			if diff := cmp.Diff(v, got); diff != "" {
				t.Errorf("%s (-sent +got)\n%s", c.t.Name, diff)
			}
		}
	}
}

func TestValuesThatDoNotFitAreRefused(t *testing.T) {
	for _, c := range []struct {
		t Type
		v any
	}{
		{Type{Name: "tinyint"}, int64(-1)},
		{Type{Name: "tinyint"}, int64(256)},
		{Type{Name: "int"}, int64(1 << 31)},
		{Type{Name: "int"}, "1"},
		{Type{Name: "int"}, 1},
		{Type{Name: "bit"}, int64(1)},
		{Type{Name: "real"}, 1.5},
		{Type{Name: "decimal", Precision: 5, Scale: 2}, "1000.00"},
		{Type{Name: "decimal", Precision: 5, Scale: 2}, "1.001"},
		{Type{Name: "decimal", Precision: 5, Scale: 2}, "1e2"},
		{Type{Name: "decimal", Precision: 5, Scale: 2}, ""},
		{Type{Name: "smallmoney"}, "214748.3648"},
		{Type{Name: "money"}, "922337203685477.5808"},
		{Type{Name: "date"}, at(10000, 1, 1, 0, 0, 0, 0)},
		{Type{Name: "smalldatetime"}, at(1899, 12, 31, 0, 0, 0, 0)},
		{Type{Name: "varchar", Length: 9}, "日本"},
		{Type{Name: "nvarchar", Length: 3}, "a😀b"},
		{Type{Name: "varbinary", Length: 2}, []byte{1, 2, 3}},
		{Type{Name: "xml"}, []byte("<a/>")},
	} {
		if _, err := c.t.appendValue(nil, c.v); err == nil {
			t.Errorf("%s takes %v", c.t.Name, c.v)
		}
	}
}

func TestTypesWithoutAFormAreRefused(t *testing.T) {
	for _, bad := range []Type{
		{Name: "sql_variant"}, {Name: "varchar"}, {Name: "varchar", Length: 8001}, {Name: "nvarchar", Length: 4001},
		{Name: "decimal", Precision: 39}, {Name: "decimal", Precision: 2, Scale: 3}, {Name: "time", Scale: 8},
	} {
		if bad.Check() == nil {
			t.Errorf("%+v passes", bad)
		}
	}
}

// Whatever a client sends, the reader must come to an end without a panic.
func FuzzReader(f *testing.F) {
	for _, c := range values {
		b, err := c.t.appendValue(c.t.info(), c.vs[0])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{idIntN, 9, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte{idDateTimeOffset, 7, 2, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := &reader{r: bytes.NewReader(b)}
		if v := r.value(r.typeInfo()); r.err != nil && v != nil {
			t.Errorf("value %v beside error %v", v, r.err)
		}
	})
}

func FuzzLogin(f *testing.F) {
	f.Add(make([]byte, loginFixed))
	federated := make([]byte, loginFixed+4, loginFixed+32) // the extension's offset, then the feature list right behind it
	federated[loginFlags3] = flagExtension
	federated[loginExtension] = loginFixed
	federated[loginFixed] = loginFixed + 4
	f.Add(append(federated, featureFedAuth, 7, 0, 0, 0, librarySecurityToken<<1, 2, 0, 0, 0, 't', 0, featureEnd))
	f.Fuzz(func(t *testing.T, b []byte) {
		// The offsets are the client's, so a token may lie over the fixed part; it is never longer than what was sent.
		if l, err := parseLogin(b); err == nil && l.HasToken != (l.Token != "") {
			t.Errorf("a token out of nothing: %+v", l)
		} else if n := len(utf16.Encode([]rune(l.Token))); 2*n > len(b) {
			t.Errorf("a token of %d code units out of %d bytes", n, len(b))
		}
		if _, err := preloginOptions(b); err == nil && len(b) == 1 && b[0] != preloginEnd {
			t.Error("a cut prelogin passes")
		}
	})
}
