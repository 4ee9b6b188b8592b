package bacpac_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/bacpac"
	"github.com/bacvault/bacvault/internal/bacvault"
)

// fuzzOptions keep one input to some MiB, whatever it declares.
var fuzzOptions = bacpac.Options{
	Workers: 2, AllowUnverified: true,
	Limits: bacpac.Limits{Entries: 64, Uncompressed: 4 << 20, ModelBytes: 1 << 20, XMLBytes: 1 << 20, XMLToken: 1 << 16, XMLElements: 20_000},
}

// fuzzVerify sees that every end is one that Verify promises.
func fuzzVerify(t *testing.T, b []byte) (bacpac.Report, bool) {
	report, err := bacpac.Verify(context.Background(), bytes.NewReader(b), int64(len(b)), fuzzOptions)
	var f *bacvault.Failure
	if err != nil && (!errors.As(err, &f) || f.Code != bacvault.CodeVerifyBroken || f.Stage != bacvault.StageVerify || f.Detail == "") {
		t.Fatalf("an error that is not promised: %v", err)
	}
	return report, err == nil
}

// FuzzArchive changes whole archives. What passes here must be the same archive to the standard library.
func FuzzArchive(f *testing.F) {
	// The real archives are too big to be changed thousands of times a second.
	small := zipped(f, intsFiles(3)...)
	f.Add(small)
	f.Add(zip64End(small))
	files := intsFiles(3)
	find(f, files, intsPart).descriptor = 24
	f.Add(zipped(f, files...))
	f.Fuzz(func(t *testing.T, b []byte) {
		report, ok := fuzzVerify(t, b)
		if !ok {
			return
		}
		var data int64
		r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatalf("passes here, but archive/zip says %v", err)
		}
		for _, e := range r.File {
			rc, err := e.Open()
			if err != nil {
				t.Fatalf("%s: passes here, but archive/zip says %v", e.Name, err)
			}
			n, err := io.Copy(io.Discard, rc)
			if err != nil {
				t.Fatalf("%s: passes here, but archive/zip says %v", e.Name, err)
			}
			if strings.Contains(e.Name, "/TableData-") {
				data += n
			}
		}
		if data != report.Bytes {
			t.Fatalf("walked %d bytes of %d", report.Bytes, data)
		}
	})
}

// FuzzModel changes model.xml, which its checksum then follows.
func FuzzModel(f *testing.F) {
	for _, c := range []column{{typ: "int", notNull: true}, {typ: "char", length: 2, notNull: true, alias: true}, {typ: "decimal", precision: 9}, {typ: "json"}} {
		f.Add(modelOf(made("dbo", "T", []column{c, {computed: true}})), []byte("aaaa"))
	}
	f.Fuzz(func(t *testing.T, model, part []byte) {
		files := intsFiles(1)
		find(t, files, intsPart).data = part
		find(t, files, "model.xml").data = model
		origin := find(t, files, "Origin.xml")
		origin.data = originOf(model, 0, "")
		// Only the checksum is to hold: the model may have any number of tables.
		origin.data = bytes.Replace(origin.data, []byte("<Table>0</Table>"), nil, 1)
		for i := range files {
			files[i].stored = true
		}
		report, ok := fuzzVerify(t, zipped(t, files...))
		if ok && report.Model.Tables != len(report.Tables) {
			t.Fatalf("%d tables in the model, %d in the report", report.Model.Tables, len(report.Tables))
		}
	})
}

// walkColumns has a column of every kind of step.
var walkColumns = []column{
	{typ: "int", notNull: true}, {typ: "bit"}, {typ: "date", notNull: true}, {typ: "time"}, {typ: "datetime2"}, {typ: "datetimeoffset", notNull: true},
	{typ: "datetime"}, {typ: "smalldatetime", notNull: true}, {typ: "decimal", precision: 9, scale: 2}, {typ: "char", length: 2, notNull: true},
	{typ: "nvarchar", length: 3}, {typ: "binary", length: 2}, {typ: "image"}, {typ: "xml"}, {typ: "sql_variant"}, {typ: "tinyint", notNull: true, alias: true},
}

// FuzzWalk changes a data part, and which of the columns it has. Rows must be a whole of the part: twice the part is twice
// the rows.
func FuzzWalk(f *testing.F) {
	f.Add([]byte("aaaabbbb"), uint16(1))
	f.Add([]byte{0xff, 1, 1, 0xff}, uint16(2))
	f.Add([]byte("\x04\x00a\x00b\x00\xff\xff"), uint16(1<<10))
	f.Add([]byte("\x02\x00\x00\x00\x00\x00\x00\x00a\x00\xff\xff\xff\xff\xff\xff\xff\xff"), uint16(1<<13))
	f.Add([]byte("\x13\x09\x02\x01aaaaaaaaaaaaaaaa\xff"), uint16(1<<8))
	f.Add([]byte{1, 1, 1, 1}, uint16(1<<15))
	f.Fuzz(func(t *testing.T, part []byte, mask uint16) {
		var cols []column
		for i, c := range walkColumns {
			if mask&(1<<i) != 0 {
				cols = append(cols, c)
			}
		}
		once := walkOnce(t, cols, string(part))
		twice := walkOnce(t, cols, string(part)+string(part))
		if once >= 0 && twice >= 0 && twice != 2*once {
			t.Fatalf("%d rows, twice the bytes %d", once, twice)
		}
		if once >= 0 && twice < 0 && mask&(1<<15) == 0 {
			t.Fatalf("%d rows, but twice the bytes do not fit", once)
		}
		if once > int64(len(part)) {
			t.Fatalf("%d rows in %d bytes", once, len(part))
		}
	})
}

// walkOnce gives a part's rows, or -1 where it does not fit.
func walkOnce(t *testing.T, cols []column, part string) int64 {
	files := filesOf(made("dbo", "T", cols, part))
	for i := range files {
		files[i].stored = true
	}
	report, ok := fuzzVerify(t, zipped(t, files...))
	if !ok {
		return -1
	}
	return report.Tables[0].Rows
}
