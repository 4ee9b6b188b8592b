package bacpac

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Origin is what Origin.xml says about the export.
type Origin struct {
	PackageVersion     string         // 3.1.0.0, or 3.0.0.0 without data
	ProductName        string         // the tool's assembly
	ProductVersion     string         // of DacFx
	ServerVersion      string         // @@VERSION of the source
	Start              string         // of the export, as written; End is never filled in
	Database           string         // the source database's name, from DacMetadata.xml
	SourceDatabaseKB   int64          // 0 where it is not told
	Rows               int64          // TableRowCountTotalTag, a hint from statistics; -1 where it is not told
	ObjectCounts       map[string]int // elements of model.xml by type
	ModelSHA256        string         // lower-case hex
	ModelSchemaVersion string
	DataPhaseTables    string // comma-joined schema.table of every table; empty before DacFx 162

	containsData bool
}

// readOrigin reads Origin.xml. Unknown elements are passed over: every version adds some. What stands there twice is
// joined, so that it cannot pass for either.
func readOrigin(r io.Reader, lim xmlLimits) (Origin, error) {
	o := Origin{Rows: -1, ObjectCounts: map[string]int{}}
	texts := map[string][]byte{} // by the names below the root
	open := func(path []element) error {
		if len(path) == 1 && path[0].tag != "DacOrigin" {
			return fmt.Errorf("its root is %s, not DacOrigin", path[0].tag)
		}
		return nil
	}
	text := func(path []element, s []byte) error {
		here := path[len(path)-1]
		if here.tag != "Checksum" || here.attr("Uri") == "/model.xml" {
			key := pathKey(path)
			texts[key] = append(texts[key], s...)
		}
		return nil
	}
	if err := scanXML(r, lim, open, text); err != nil {
		return o, err
	}
	return o, o.fill(texts)
}

// pathKey joins the tags below the root.
func pathKey(path []element) string {
	tags := make([]string, 0, len(path))
	for _, e := range path[1:] {
		tags = append(tags, e.tag)
	}
	return strings.Join(tags, "/")
}

func (o *Origin) fill(texts map[string][]byte) error {
	get := func(key string) string { return strings.TrimSpace(string(texts[key])) }
	o.PackageVersion = get("PackageProperties/Version")
	o.containsData = strings.EqualFold(get("PackageProperties/ContainsExportedData"), "true")
	o.ProductName, o.ProductVersion = get("Operation/ProductName"), get("Operation/ProductVersion")
	o.Start, o.ServerVersion = get("Operation/Start"), get("Server/ServerVersion")
	o.ModelSHA256, o.ModelSchemaVersion = strings.ToLower(get("Checksums/Checksum")), get("ModelSchemaVersion")
	o.DataPhaseTables = get("DataPhaseTables")
	for key, into := range map[string]*int64{
		"ExportStatistics/SourceDatabaseSize": &o.SourceDatabaseKB, "ExportStatistics/TableRowCountTotalTag": &o.Rows,
	} {
		if s := get(key); s != "" {
			n, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				return fmt.Errorf("%s is %q, not a number", key, s)
			}
			*into = n
		}
	}
	for key := range texts {
		name, ok := strings.CutPrefix(key, "Server/ObjectCounts/")
		if !ok {
			continue
		}
		n, err := strconv.Atoi(get(key))
		if err != nil {
			return fmt.Errorf("%s is %q, not a number", key, get(key))
		}
		o.ObjectCounts[name] = n
	}
	return nil
}

// check holds Origin.xml against the model that was read.
func (o *Origin) check(m *model) error {
	switch {
	case !o.containsData:
		return broken("Origin.xml does not say ContainsExportedData: this is a schema without data (a dacpac), not a backup")
	case o.ModelSHA256 == "":
		return broken("Origin.xml has no checksum of model.xml")
	case o.ModelSHA256 != m.info.SHA256:
		return broken("model.xml was changed: its SHA-256 is %s, but Origin.xml says %s", m.info.SHA256, o.ModelSHA256)
	}
	if len(o.ObjectCounts) > 0 {
		for _, name := range slices.Sorted(maps.Keys(o.ObjectCounts)) {
			if want, got := o.ObjectCounts[name], m.info.Objects[name]; want != got {
				return broken("model.xml has %d elements of type Sql%s, but Origin.xml counted %d", got, name, want)
			}
		}
		if o.ObjectCounts["Table"] != len(m.tables) {
			return broken("model.xml has %d tables, but Origin.xml counted %d", len(m.tables), o.ObjectCounts["Table"])
		}
	}
	if o.DataPhaseTables == "" {
		return nil
	}
	// A name may itself hold a comma, so both sides are taken apart in the same way.
	names := make([]string, len(m.tables))
	for i, t := range m.tables {
		names[i] = t.String()
	}
	left := map[string]int{}
	for piece := range strings.SplitSeq(strings.Join(names, ","), ",") {
		left[piece]++
	}
	for piece := range strings.SplitSeq(o.DataPhaseTables, ",") {
		left[piece]--
	}
	for _, piece := range slices.Sorted(maps.Keys(left)) {
		switch n := left[piece]; {
		case n > 0:
			return broken("table %s is in model.xml, but not in DataPhaseTables of Origin.xml: its data were not exported", piece)
		case n < 0:
			return broken("table %s is in DataPhaseTables of Origin.xml, but not in model.xml", piece)
		}
	}
	return nil
}
