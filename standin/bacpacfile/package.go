package bacpacfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	xmlHead     = "\xef\xbb\xbf" + `<?xml version="1.0" encoding="utf-8"?>`
	dacNames    = "http://schemas.microsoft.com/sqlserver/dac/Serialization/2012/02"
	productName = "bacvault stand-in for sqlpackage"
	serverText  = "bacvault stand-in for SQL Server"
)

func contentTypes(withData bool) []byte {
	defaults := [][2]string{{"xml", "text/xml"}}
	if withData {
		defaults = append(defaults, [2]string{"BCP", "application/octet-stream"},
			[2]string{"rels", "application/vnd.openxmlformats-package.relationships+xml"})
	}
	var b strings.Builder
	b.WriteString(xmlHead + `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">`)
	for _, d := range defaults {
		fmt.Fprintf(&b, `<Default Extension="%s" ContentType="%s" />`, d[0], d[1])
	}
	b.WriteString("</Types>")
	return []byte(b.String())
}

func dacMetadata(database string) ([]byte, error) {
	return marshal(struct {
		XMLName xml.Name `xml:"DacType"`
		NS      string   `xml:"xmlns,attr"`
		Name    string
		Version string
	}{NS: dacNames, Name: database, Version: "0.0.0.0"})
}

// relationships name table and schema of each data part, by one relationship each with the same target.
func relationships(data []dataPart) ([]byte, error) {
	type relationship struct {
		Type   string `xml:"Type,attr"`
		Target string `xml:"Target,attr"`
		ID     string `xml:"Id,attr"`
	}
	rels := struct {
		XMLName       xml.Name       `xml:"Relationships"`
		NS            string         `xml:"xmlns,attr"`
		Relationships []relationship `xml:"Relationship"`
	}{NS: "http://schemas.openxmlformats.org/package/2006/relationships"}
	for _, p := range data {
		for _, kind := range []string{"table=" + p.table, "schema=" + p.schema} {
			id := sha256.Sum256([]byte(kind + " " + p.name))
			rels.Relationships = append(rels.Relationships, relationship{Type: kind, Target: "/" + p.name, ID: fmt.Sprintf("R%x", id[:8])})
		}
	}
	return marshal(rels)
}

// The shape of Origin.xml as DacFx 162.2 and later write it.
type (
	origin struct {
		XMLName            xml.Name `xml:"DacOrigin"`
		NS                 string   `xml:"xmlns,attr"`
		PackageProperties  packageProperties
		Operation          operation
		Server             server
		ExportStatistics   exportStatistics
		Checksums          []modelChecksum `xml:"Checksums>Checksum"`
		ModelSchemaVersion string
		DataPhaseTables    string
	}
	packageProperties struct {
		Version               string
		ContainsExportedData  bool
		StreamVersionOfStream []streamVersion `xml:"StreamVersions>Version"`
	}
	streamVersion struct {
		Stream  string `xml:"StreamName,attr"`
		Version string `xml:",chardata"`
	}
	operation struct {
		Identity, Start, End, ProductName, ProductVersion, ProductSchema string
	}
	server struct {
		ServerVersion string
		ObjectCounts  []objectCount `xml:"ObjectCounts>Count"`
	}
	objectCount struct {
		XMLName xml.Name
		Count   int `xml:",chardata"`
	}
	exportStatistics struct {
		SourceDatabaseSize    int // KB
		TableRowCountTotalTag int64
	}
	modelChecksum struct {
		URI   string `xml:"Uri,attr"`
		Value string `xml:",chardata"`
	}
)

func originXML(f *File, data []dataPart, o EncodeOptions) ([]byte, error) {
	doc := origin{
		NS: dacNames,
		PackageProperties: packageProperties{
			Version: "3.0.0.0", ContainsExportedData: true,
			StreamVersionOfStream: []streamVersion{{"Data", "2.0.0.0"}, {"DeploymentContributors", "1.0.0.0"}},
		},
		Operation: operation{
			Identity: identity(f.Model.XML, o.Now), Start: o.Now.Format("2006-01-02T15:04:05.0000000-07:00"),
			End:         "0001-01-01T00:00:00.0000000", // never filled in by the real one
			ProductName: productName, ProductVersion: o.ProductVersion, ProductSchema: dacNames,
		},
		Server:    server{ServerVersion: serverText},
		Checksums: []modelChecksum{{"/model.xml", checksum(f.Model.XML)}},
	}
	if len(data) > 0 {
		doc.PackageProperties.Version = "3.1.0.0"
	}
	for _, kind := range slices.Sorted(maps.Keys(f.Model.Objects)) {
		doc.Server.ObjectCounts = append(doc.Server.ObjectCounts, objectCount{xml.Name{Local: kind}, f.Model.Objects[kind]})
	}
	for _, p := range data {
		doc.ExportStatistics.TableRowCountTotalTag += p.rows
		doc.ExportStatistics.SourceDatabaseSize += len(p.bytes)/1024 + 8 // whole pages
	}
	doc.ExportStatistics.TableRowCountTotalTag += o.WrongTotal
	var tables []string
	for _, t := range f.Model.Tables { // empty ones too
		tables = append(tables, t.Schema+"."+t.Name)
	}
	doc.DataPhaseTables = strings.Join(tables, ",")
	var root struct {
		SchemaVersion string `xml:"SchemaVersion,attr"`
	}
	if err := xml.Unmarshal(bytes.TrimPrefix(f.Model.XML, []byte("\xef\xbb\xbf")), &root); err != nil {
		return nil, fmt.Errorf("parse model.xml: %w", err)
	}
	doc.ModelSchemaVersion = root.SchemaVersion
	return marshal(doc)
}

// identity is a UUID that is the same for the same export, so that a bacpac can be written twice alike.
func identity(model []byte, now time.Time) string {
	h := sha256.New()
	h.Write(model)
	h.Write([]byte(now.Format(time.RFC3339Nano)))
	s := h.Sum(nil)
	s[6], s[8] = s[6]&0x0f|0x80, s[8]&0x3f|0x80 // version 8, variant RFC 9562
	return fmt.Sprintf("%x-%x-%x-%x-%x", s[:4], s[4:6], s[6:8], s[8:10], s[10:16])
}

func marshal(doc any) ([]byte, error) {
	b, err := xml.MarshalIndent(doc, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write a part of the package: %w", err)
	}
	return append([]byte(xmlHead+"\n"), b...), nil
}
