package bacpac_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/bacpac"
	"github.com/bacvault/bacvault/internal/bacvault"
)

// unhex reads hex with spaces.
func unhex(t *testing.T, s string) string {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const (
	guid    = "10 000102030405060708090a0b0c0d0e0f"
	dec92   = "13 09 02 01 01000000000000000000000000000000"
	noon    = "00e0349564" // in units of 100 ns
	day2020 = "90400b"     // in days since 0001-01-01
)

// TestWalkTypes has, for each type of a bacpac's rows, hand-made fields and how many rows they are, or what is wrong.
func TestWalkTypes(t *testing.T) {
	nn := func(typ string) column { return column{typ: typ, notNull: true} }
	null := func(typ string) column { return column{typ: typ} }
	sized := func(typ string, n int, notNull bool) column { return column{typ: typ, length: n, notNull: notNull} }
	large := func(typ string) column { return column{typ: typ, max: true} }
	tests := []struct {
		name string
		col  column
		hex  string
		rows int64
		want string // part of the failure's detail; empty is a part that fits
	}{
		{"tinyint", nn("tinyint"), "00 01 ff", 3, ""},
		{"tinyint nullable", null("tinyint"), "01 07 ff 01 00", 3, ""},
		{"tinyint bad prefix", null("tinyint"), "01 07 02 07", 0, "row 2, offset 2: a prefix of 2, not 1"},
		{"smallint", nn("smallint"), "0001 0002", 2, ""},
		{"smallint short", nn("smallint"), "0001 00", 0, "row 2, offset 2: the part ends inside"},
		{"smallint nullable", null("smallint"), "ff 02 0000", 2, ""},
		{"int", nn("int"), "01000000 02000000 03000000", 3, ""},
		{"int short", nn("int"), "01000000 020000", 0, "row 2, offset 4: the part ends inside"},
		{"int nullable", null("int"), "04 01000000 ff", 2, ""},
		{"int nullable, empty is not NULL", null("int"), "00", 0, "a prefix of 0, not 4"},
		{"int nullable short", null("int"), "04 010000", 0, "row 1, offset 0: the part ends inside"},
		{"bigint", nn("bigint"), "0100000000000000", 1, ""},
		{"bigint nullable", null("bigint"), "08 0100000000000000 ff ff", 3, ""},
		{"bit", nn("bit"), "01 00 01 01", 2, ""},
		{"bit nullable", null("bit"), "ff 01 01", 2, ""},
		{"bit NULL", nn("bit"), "ff", 0, "NULL in a column that is NOT NULL"},
		{"bit 2", nn("bit"), "01 02", 0, "bit 2"},
		{"real", nn("real"), "0000803f", 1, ""},
		{"real nullable", null("real"), "04 0000803f ff", 2, ""},
		{"float", column{typ: "float", precision: 53, notNull: true}, "000000000000f03f", 1, ""},
		{"float nullable", null("float"), "08 000000000000f03f ff", 2, ""},
		{"smallmoney", nn("smallmoney"), "10270000", 1, ""},
		{"smallmoney nullable", null("smallmoney"), "04 10270000 ff", 2, ""},
		{"money", nn("money"), "00000000 10270000", 1, ""},
		{"money nullable", null("money"), "08 00000000 10270000 ff", 2, ""},
		{"decimal", column{typ: "decimal", precision: 9, scale: 2, notNull: true}, dec92 + dec92, 2, ""},
		{"numeric nullable", column{typ: "numeric", precision: 9, scale: 2}, dec92 + "ff", 2, ""},
		{"decimal short form", column{typ: "decimal", precision: 9, scale: 2}, "07 09 02 00 01000000", 1, ""},
		{"decimal bad prefix", column{typ: "decimal", precision: 9, scale: 2}, "08 09 02 00 0100000000", 0, "a prefix of 8, not 19"},
		{"decimal other scale", column{typ: "decimal", precision: 9, scale: 3}, dec92, 0, "decimal(9,2) with sign 1, not decimal(9,3)"},
		{"decimal bad sign", column{typ: "decimal", precision: 9, scale: 2}, "07 09 02 02 01000000", 0, "with sign 2"},
		{"decimal NULL", column{typ: "decimal", precision: 9, scale: 2, notNull: true}, "ff", 0, "NULL in a column that is NOT NULL"},
		{"decimal cut", column{typ: "decimal", precision: 9, scale: 2}, "13 09 02 01 0100", 0, "the part ends inside"},
		{"decimal without precision", null("decimal"), dec92, 0, "no precision"},
		{"date", nn("date"), day2020, 1, ""},
		{"date nullable", null("date"), "03" + day2020 + "ff", 2, ""},
		{"date last", nn("date"), "dab937", 1, ""},
		{"date after the last", nn("date"), "dbb937", 0, "date of day 3652059"},
		{"time", column{typ: "time", scale: 3, notNull: true}, noon, 1, ""},
		{"time nullable", null("time"), "05" + noon + "ff", 2, ""},
		{"time of 24 hours", nn("time"), "00c0692ac9", 0, "time of 864000000000"},
		{"datetime2", nn("datetime2"), noon + day2020, 1, ""},
		{"datetime2 nullable", null("datetime2"), "08" + noon + day2020 + "ff", 2, ""},
		{"datetime2 bad time", nn("datetime2"), "00c0692ac9" + day2020, 0, "time of"},
		{"datetime2 bad date", null("datetime2"), "08" + noon + "dbb937", 0, "date of"},
		{"datetimeoffset", nn("datetimeoffset"), noon + day2020 + "b8fc" + noon + day2020 + "4803", 2, ""},
		{"datetimeoffset nullable", null("datetimeoffset"), "0a" + noon + day2020 + "0000 ff", 2, ""},
		{"datetimeoffset far zone", nn("datetimeoffset"), noon + day2020 + "4903", 0, "a time zone of 841 minutes"},
		{"datetime first and last", nn("datetime"), "462effff 00000000 7f242d00 ff818b01", 2, ""},
		{"datetime nullable", null("datetime"), "08 00000000 00000000 ff", 2, ""},
		{"datetime before 1753", nn("datetime"), "462effff 00000000 452effff 00000000", 0, "row 2, offset 8: datetime of day -53691"},
		{"datetime after 9999", nn("datetime"), "80242d00 00000000", 0, "datetime of day 2958464"},
		{"datetime late tick", nn("datetime"), "00000000 00828b01", 0, "tick 25920000"},
		{"smalldatetime", nn("smalldatetime"), "0000 9f05", 1, ""},
		{"smalldatetime nullable", null("smalldatetime"), "04 0000 0000 ff", 2, ""},
		{"smalldatetime late", nn("smalldatetime"), "0000 a005", 0, "smalldatetime of minute 1440"},
		{"uniqueidentifier", nn("uniqueidentifier"), guid + guid, 2, ""},
		{"uniqueidentifier nullable", null("uniqueidentifier"), guid + "ff", 2, ""},
		{"char", sized("char", 2, true), "61006200 63006400", 2, ""},
		{"char short", sized("char", 2, true), "61006200 6300", 0, "row 2, offset 4: the part ends inside"},
		{"char nullable", sized("char", 2, false), "0400 61006200 ffff", 2, ""},
		{"char nullable other length", sized("char", 2, false), "0200 6100", 0, "a length of 2 bytes, not 4"},
		{"char without length", null("char"), "0200 6100", 0, "no length"},
		{"nchar", sized("nchar", 2, true), "0400 61006200", 1, ""},
		{"nchar nullable", sized("nchar", 2, false), "ffff 0400 61006200", 2, ""},
		{"nchar other length", sized("nchar", 2, true), "0600 610062006300", 0, "a length of 6 bytes, not 4"},
		{"varchar", sized("varchar", 3, true), "0000 0200 6100 0600 610062006300", 3, ""},
		{"varchar nullable", sized("varchar", 3, false), "ffff 0000 0200 6100", 3, ""},
		{"varchar NULL", sized("varchar", 3, true), "ffff", 0, "NULL in a column that is NOT NULL"},
		{"varchar long", sized("varchar", 3, true), "0800 6100620063006400", 0, "more than the declared 6"},
		{"varchar odd", sized("varchar", 3, true), "0300 610062", 0, "odd for UTF-16"},
		{"varchar short", sized("varchar", 3, true), "0600 6100", 0, "a length of 6 bytes, but the part has only 2 left"},
		{"varchar half a prefix", sized("varchar", 3, true), "06", 0, "the part ends inside"},
		{"nvarchar", sized("nvarchar", 3, true), "0600 610062006300 0000", 2, ""},
		{"nvarchar nullable", sized("nvarchar", 3, false), "ffff ffff", 2, ""},
		{"binary", sized("binary", 2, true), "0200 0102", 1, ""},
		{"binary nullable", sized("binary", 2, false), "ffff 0200 0102", 2, ""},
		{"binary other length", sized("binary", 2, true), "0100 01", 0, "a length of 1 bytes, not 2"},
		{"varbinary", sized("varbinary", 3, true), "0100 01 0000 0300 010203", 3, ""},
		{"varbinary long", sized("varbinary", 3, false), "0400 01020304", 0, "more than the declared 3"},
		{"rowversion", nn("rowversion"), "0800 0000000000000001", 1, ""},
		{"rowversion other length", nn("rowversion"), "0400 00000001", 0, "a length of 4 bytes, not 8"},
		{"text", nn("text"), "00000000 02000000 6100", 2, ""},
		{"ntext nullable", null("ntext"), "ffffffff 02000000 6100", 2, ""},
		{"text odd", null("text"), "01000000 61", 0, "odd for UTF-16"},
		{"image", null("image"), "ffffffff 01000000 61 00000000", 3, ""},
		{"image short", null("image"), "05000000 61", 0, "a length of 5 bytes, but the part has only 1 left"},
		{"varchar(max)", large("varchar"), "0200000000000000 6100 ffffffffffffffff", 2, ""},
		{"nvarchar(max)", large("nvarchar"), "0000000000000000 ffffffffffffffff", 2, ""},
		{"nvarchar(max) odd", large("nvarchar"), "0100000000000000 61", 0, "odd for UTF-16"},
		{"nvarchar(max) endless", large("nvarchar"), "feffffffffffffff 6100", 0, "but the part has only 2 left"},
		{"varbinary(max)", large("varbinary"), "0100000000000000 61", 1, ""},
		{"xml", null("xml"), "0200000000000000 6100 ffffffffffffffff", 2, ""},
		{"hierarchyid", null("sys].[hierarchyid"), "0100000000000000 58 ffffffffffffffff", 2, ""},
		{"geography", null("sys].[geography"), "0100000000000000 58", 1, ""},
		{"geometry", null("sys].[geometry"), "0000000000000000", 1, ""},
		{"sql_variant", null("sql_variant"), "06000000 380001000000 ffffffff", 2, ""},
		{"alias over varchar", column{typ: "varchar", length: 3, notNull: true, alias: true}, "0200 6100", 1, ""},
		{"alias over char", column{typ: "char", length: 1, notNull: true, alias: true}, "6100 6200", 2, ""},
		{"alias over bit", column{typ: "bit", notNull: true, alias: true}, "01 00", 1, ""},
		{"alias over int, raw", column{typ: "int", notNull: true, alias: true}, "01000000", 1, ""},
		{"alias over int, prefixed", column{typ: "int", notNull: true, alias: true}, "04 01000000", 1, ""},
		{"alias over int, neither", column{typ: "int", notNull: true, alias: true}, "04 010000 00 00", 0, "the part ends inside"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			report, err := verify(archiveOf(t, made("dbo", "T", []column{tt.col}, unhex(t, tt.hex))))
			if tt.want != "" {
				wantFailure(t, err, bacvault.CodeVerifyBroken, tt.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := report.Tables[0]; got.Rows != tt.rows || got.Verdict != bacpac.VerdictOK || got.Parts != 1 {
				t.Errorf("got %+v, want %d rows", got, tt.rows)
			}
		})
	}
}

// wantFailure checks code, stage and words of an error.
func wantFailure(t *testing.T, err error, code bacvault.Code, words ...string) {
	t.Helper()
	var f *bacvault.Failure
	if !errors.As(err, &f) {
		t.Fatalf("got error %v, want a failure with code %s", err, code)
	}
	if f.Code != code || f.Stage != bacvault.StageVerify {
		t.Errorf("got code %s at stage %s, want %s: %v", f.Code, f.Stage, code, err)
	}
	for _, w := range words {
		if !strings.Contains(f.Detail, w) {
			t.Errorf("detail %q does not say %q", f.Detail, w)
		}
	}
}

func TestWalkAcrossWindows(t *testing.T) {
	// Rows of 15 and of 100 003 bytes shift every kind of field over the 256 KiB border of a window.
	row := func(n int) string {
		body := strings.Repeat("a", n)
		return unhex(t, "01000000 ff 0400 61006200") + string(appendUint64(nil, uint64(n))) + body + unhex(t, "13 0900 01") + strings.Repeat("\x00", 16)
	}
	var b strings.Builder
	var want int64
	for b.Len() < 1<<20 {
		b.WriteString(row(100_003 + int(want)%7))
		for range 2000 {
			b.WriteString(row(int(want) % 5))
			want++
		}
		want++
	}
	cols := []column{
		{typ: "int", notNull: true}, {typ: "datetime"}, {typ: "nvarchar", length: 2, notNull: true},
		{typ: "varbinary", max: true}, {typ: "decimal", precision: 9},
	}
	for _, cut := range []int{0, 1, 19, 20} {
		part := b.String()[:b.Len()-cut]
		report, err := verify(archiveOf(t, made("dbo", "T", cols, part)))
		if cut > 0 {
			wantFailure(t, err, bacvault.CodeVerifyBroken, "the part ends inside")
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := report.Tables[0].Rows; got != want || report.Bytes != int64(len(part)) {
			t.Errorf("got %d rows in %d bytes, want %d in %d", got, report.Bytes, want, len(part))
		}
	}
}

func TestWalkLongRawRow(t *testing.T) {
	// 40 columns of char(8000) make one step longer than a window.
	cols := make([]column, 40)
	for i := range cols {
		cols[i] = column{typ: "char", length: 8000, notNull: true}
	}
	row := strings.Repeat("a\x00", 40*8000)
	report, err := verify(archiveOf(t, made("dbo", "T", cols, row+row+row)))
	if err != nil || report.Tables[0].Rows != 3 {
		t.Errorf("got %v, %+v", err, report.Tables)
	}
	_, err = verify(archiveOf(t, made("dbo", "T", cols, row+row[:len(row)-2])))
	wantFailure(t, err, bacvault.CodeVerifyBroken, "row 2, offset 640000: the part ends inside")
}

func TestWalkAllocatesNothingPerRow(t *testing.T) {
	cols := []column{{typ: "int"}, {typ: "nvarchar", length: 4}, {typ: "datetime2"}, {typ: "decimal", precision: 9, scale: 2}, {typ: "xml"}}
	row := unhex(t, "04 01000000 0200 6100 08"+noon+day2020+dec92+"0200000000000000 6100")
	allocs := func(rows int) float64 {
		b := archiveOf(t, made("dbo", "T", cols, strings.Repeat(row, rows)))
		return testing.AllocsPerRun(3, func() {
			if report, err := verify(b); err != nil || report.Tables[0].Rows != int64(rows) {
				t.Errorf("%v, %+v", err, report.Tables)
			}
		})
	}
	if few, many := allocs(10), allocs(100_000); many > few+100 {
		t.Errorf("%.0f allocations for 10 rows, %.0f for 100 000", few, many)
	}
}
