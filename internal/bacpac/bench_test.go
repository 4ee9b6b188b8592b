package bacpac_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"

	"github.com/bacvault/bacvault/internal/bacpac"
)

// benchBytes is the size of the synthesized data parts together.
const benchBytes = 64 << 20

// benchArchive has four parts of rows that deflate to about a quarter, as real ones do.
func benchArchive(b *testing.B) []byte {
	b.Helper()
	words := []string{"Backup", "Vault", "Restore", "Immutable", "Policy", "Northwind", "Contoso", "Street"}
	r := rand.New(rand.NewPCG(1, 2))
	var parts []string
	for range 4 {
		var part bytes.Buffer
		for id := uint32(0); part.Len() < benchBytes/4; id++ {
			part.Write(appendUint32(nil, id))
			var text []byte
			for range 1 + r.IntN(4) {
				for _, c := range words[r.IntN(len(words))] {
					text = append(text, byte(c), 0)
				}
			}
			part.Write(appendUint16(nil, uint16(len(text))))
			part.Write(text)
			part.WriteString("\x08")
			part.Write(appendUint32(nil, 45000+id%300, r.Uint32N(25_920_000)))
			part.WriteString("\x13\x12\x04\x01")
			part.Write(appendUint64(nil, uint64(r.Uint32N(1_000_000)), 0))
			part.WriteString("\x01\x01\x10")
			part.Write(appendUint64(nil, r.Uint64(), uint64(id)))
			part.WriteString("\xff\xff\xff\xff\xff\xff\xff\xff")
		}
		parts = append(parts, part.String())
	}
	cols := []column{
		{typ: "int", notNull: true}, {typ: "nvarchar", length: 100, notNull: true}, {typ: "datetime"}, {typ: "decimal", precision: 18, scale: 4},
		{typ: "bit"}, {typ: "uniqueidentifier"}, {typ: "nvarchar", max: true},
	}
	return zipped(b, filesOf(made("dbo", "T", cols, parts...))...)
}

func BenchmarkVerify(b *testing.B) {
	archive := benchArchive(b)
	b.SetBytes(benchBytes)
	b.ReportAllocs()
	b.ReportMetric(float64(benchBytes)/float64(len(archive)), "ratio")
	for b.Loop() {
		report, err := bacpac.Verify(context.Background(), bytes.NewReader(archive), int64(len(archive)), bacpac.Options{})
		if err != nil || report.Tables[0].Rows == 0 {
			b.Fatal(err, report.Tables)
		}
	}
}
