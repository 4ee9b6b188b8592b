package sqlpackage_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/standin/bacpacfile"
)

func TestExportAndImportKeepEveryRow(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(realBacpacs, "*.bacpac"))
	if err != nil || len(paths) != 5 {
		t.Fatalf("%d real bacpacs (%v)", len(paths), err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".bacpac")
		t.Run(name, func(t *testing.T) {
			f := start(t, name)
			if got := f.export(t.Context(), "source", "a.bacpac"); got.code != 0 || got.stderr != "" {
				t.Fatalf("export: %+v", got)
			}
			if got := f.importInto(t.Context(), "copy", "a.bacpac", "/p:DatabaseEdition=Standard", "/p:DatabaseServiceObjective=S9", "/p:DatabaseMaximumSize=100"); got.code != 0 || got.stderr != "" {
				t.Fatalf("import: %+v", got)
			}
			if got := f.export(t.Context(), "copy", "b.bacpac"); got.code != 0 {
				t.Fatalf("export of the import: %+v", got)
			}
			want := read(t, path)
			for database, file := range map[string]string{"source": "a.bacpac", "copy": "b.bacpac"} {
				want.DatabaseName = database
				if got := read(t, f.path(file)); !reflect.DeepEqual(want, got) {
					t.Errorf("%s (-original +exported):\n%.4000s", file, cmp.Diff(want, got))
				}
			}
		})
	}
}

func TestOutputOfExport(t *testing.T) {
	f := start(t, "coursecompanion-empty")
	f.user = reader
	got := f.export(t.Context(), "source", "a.bacpac")
	lines := strings.Split(got.stdout, "\n")
	lines[len(lines)-2] = strings.TrimRight(lines[len(lines)-2], "0123456789.")
	want := []string{"This is bacvault's stand-in for sqlpackage, not Microsoft's tool.",
		"Connecting to database 'source' on server 'tcp:" + strings.Replace(f.Addr(), ":", ",", 1) + "'.",
		"Extracting schema", "Extracting schema from database", "Resolving references in schema model", "Validating schema model",
		"Validating schema model for data package", "Validating schema", "Processing tables for data extraction", "Exporting data from database",
		"Exporting data", "Processing Export."}
	for _, table := range read(t, f.path("a.bacpac")).Model.Tables {
		want = append(want, "Processing Table '["+table.Schema+"].["+table.Name+"]'.")
	}
	want = append(want, "Successfully exported database and saved it to file '"+f.path("a.bacpac")+"'.", "Time elapsed 0:00:", "")
	if diff := cmp.Diff(want, lines); diff != "" || got.code != 0 || got.stderr != "" {
		t.Errorf("exit %d, stderr %q, stdout (-want +got):\n%s", got.code, got.stderr, diff)
	}
}

func TestOutputOfImport(t *testing.T) {
	f := start(t, "wingtip-contosoconcerthall")
	copyFile(t, filepath.Join(realBacpacs, "wingtip-contosoconcerthall.bacpac"), f.path("a.bacpac"))
	got := f.importInto(t.Context(), "new", "a.bacpac")
	var seen []string
	for _, line := range strings.Split(got.stdout, "\n") {
		if !strings.HasPrefix(line, "Processing Table '[dbo].[") {
			seen = append(seen, strings.TrimRight(line, "0123456789."))
		}
	}
	want := []string{"This is bacvault's stand-in for sqlpackage, not Microsoft's tool",
		"Importing to database 'new' on server 'tcp:" + strings.Replace(f.Addr(), ":", ",", 1) + "'", "Creating deployment plan", "Initializing deployment",
		"Verifying deployment plan", "Analyzing deployment plan", "Importing package schema and data into database", "Updating database", "Importing data",
		"Processing Import", "Disabling indexes", "Enabling indexes", "Successfully imported database", "Time elapsed 0:00:", ""}
	if diff := cmp.Diff(want, seen); diff != "" || got.code != 0 || got.stderr != "" {
		t.Errorf("exit %d, stderr %q, stdout (-want +got):\n%s", got.code, got.stderr, diff)
	}
}

func TestFailuresAreToldAsTheToolTellsThem(t *testing.T) {
	f := start(t, "pubs")
	copyFile(t, filepath.Join(realBacpacs, "pubs.bacpac"), f.path("pubs.bacpac"))
	const refused = "Data cannot be imported into target because it contains one or more user objects. Import should be performed against a new, empty database."
	for _, tt := range []struct {
		name, user string
		run        func() result
		want       []string // of stderr
	}{
		{"export of an unknown database", owner, func() result { return f.export(t.Context(), "none", "x.bacpac") },
			[]string{`*** Error exporting database:Cannot open database "none" requested by the login. The login failed.`, "Login failed for user '<token-identified principal>'."}},
		{"export without a login", nobody, func() result { return f.export(t.Context(), "source", "x.bacpac") },
			[]string{"*** Error exporting database:Login failed for user '<token-identified principal>'."}},
		{"export over a file", owner, func() result { return f.export(t.Context(), "source", "pubs.bacpac") },
			[]string{"already exists"}},
		{"identity that is not known", "a0000000-0000-4000-8000-0000000000ff", func() result { return f.export(t.Context(), "source", "x.bacpac") },
			[]string{"*** Error exporting database:Could not extract package from specified database.", "ManagedIdentityCredential authentication failed: "}},
		{"import over objects", owner, func() result { return f.importInto(t.Context(), "source", "pubs.bacpac") },
			[]string{"*** Error importing database:" + refused + "\n", "Error SQL71659: " + refused + "\n\n"}},
		{"import without the right to create", reader, func() result { return f.importInto(t.Context(), "other", "pubs.bacpac") },
			[]string{"*** Error importing database:Could not import package.", "Error SQL72014: Core Microsoft SqlClient Data Provider: Msg 262, Level ", "Error SQL72045: Script execution error.  The executed script:", "CREATE DATABASE [other];"}},
		{"import with an objective of another edition", owner, func() result {
			return f.importInto(t.Context(), "other", "pubs.bacpac", "/p:DatabaseEdition=Standard", "/p:DatabaseServiceObjective=P6")
		}, []string{"*** Error importing database:Could not import package.", "CREATE DATABASE [other] (EDITION = 'Standard', SERVICE_OBJECTIVE = 'P6');"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f.user = tt.user
			before, _ := f.Rows("source")
			got := tt.run()
			if got.code != 1 || !strings.Contains(got.stdout, "\nTime elapsed 0:00:0") {
				t.Errorf("%+v, want exit 1 and the time elapsed", got)
			}
			for _, want := range tt.want {
				if !strings.Contains(got.stderr, want) {
					t.Errorf("stderr lacks %q:\n%s", want, got.stderr)
				}
			}
			after, _ := f.Rows("source")
			if _, err := os.Stat(f.path("x.bacpac")); err == nil || !cmp.Equal(before, after) || len(f.Databases()) != 1 {
				t.Errorf("something was left behind: %v %v", err, f.Databases())
			}
			for _, token := range stack.identity.Issued() {
				if strings.Contains(got.stdout+got.stderr, token) {
					t.Error("a token was printed")
				}
			}
		})
	}
}

func TestServerThatIsNotThere(t *testing.T) {
	f := start(t, "pubs")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	got := f.export(t.Context(), "source", "x.bacpac")
	if got.code != 1 || !strings.Contains(got.stderr, "*** Error exporting database:Could not extract package from specified database. A network-related or instance-specific error occurred while establishing a connection to SQL Server.") {
		t.Errorf("%+v", got)
	}
}

// TestEveryTypeSurvivesTheWire sends each type that the three stand-ins know through import and export.
func TestEveryTypeSurvivesTheWire(t *testing.T) {
	minute := time.Date(2026, 11, 24, 2, 3, 0, 0, time.UTC)
	tick := time.Date(2026, 11, 24, 23, 59, 59, 999999900, time.UTC)
	var columns strings.Builder
	var row, nulls []any
	for i, c := range []struct {
		typ, length      string // the latter one of Length, IsMax
		precision, scale int
		value            any
	}{
		{"tinyint", "", 0, 0, int64(255)}, {"smallint", "", 0, 0, int64(-32768)}, {"int", "", 0, 0, int64(-2147483648)}, {"bigint", "", 0, 0, int64(-9223372036854775808)},
		{"bit", "", 0, 0, true}, {"real", "", 0, 0, float32(0.1)}, {"float", "", 0, 0, 0.1},
		{"decimal", "", 38, 6, "-99999999999999999999999999999999.999999"}, {"numeric", "", 9, 9, "0.000000001"}, {"decimal", "", 19, 0, "0"},
		{"money", "", 0, 0, "-922337203685477.5808"}, {"smallmoney", "", 0, 0, "214748.3647"},
		{"date", "", 0, 0, time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)}, {"time", "", 0, 7, time.Date(1, 1, 1, 23, 59, 59, 999999900, time.UTC)},
		{"datetime2", "", 0, 7, tick}, {"datetime2", "", 0, 0, minute}, {"datetimeoffset", "", 0, 7, tick.In(time.FixedZone("", -150*60))},
		{"datetime", "", 0, 0, time.Date(1999, 12, 31, 23, 59, 59, 996666700, time.UTC)}, {"smalldatetime", "", 0, 0, minute},
		{"uniqueidentifier", "", 0, 0, [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
		{"char", "Length", 0, 0, "é    "}, {"nchar", "Length", 0, 0, "日本   "}, {"varchar", "Length", 0, 0, ""}, {"nvarchar", "Length", 0, 0, "a😀"},
		{"varchar", "IsMax", 0, 0, strings.Repeat("€", 9000)}, {"nvarchar", "IsMax", 0, 0, strings.Repeat("日", 9000)}, {"xml", "", 0, 0, "<a>é</a>"},
		{"text", "", 0, 0, "œ"}, {"ntext", "", 0, 0, "日"}, {"image", "", 0, 0, []byte{}},
		{"binary", "Length", 0, 0, []byte{0, 1, 2, 3, 0}}, {"varbinary", "Length", 0, 0, []byte{}}, {"varbinary", "IsMax", 0, 0, make([]byte, 9000)},
		{"rowversion", "", 0, 0, []byte{0, 0, 0, 0, 0, 0, 1, 2}}, {"geography", "", 0, 0, []byte{0xe6, 0x10}}, {"hierarchyid", "", 0, 0, []byte{0x58}},
	} {
		length := map[string]string{"": "", "Length": `<Property Name="Length" Value="5" />`, "IsMax": `<Property Name="IsMax" Value="True" />`}[c.length]
		fmt.Fprintf(&columns, `<Entry><Element Type="SqlSimpleColumn" Name="[s].[t]]1].[c%d]"><Relationship Name="TypeSpecifier"><Entry><Element Type="SqlTypeSpecifier">%s`+
			`<Property Name="Precision" Value="%d" /><Property Name="Scale" Value="%d" /><Relationship Name="Type"><Entry><References ExternalSource="BuiltIns" Name="[%s]" /></Entry></Relationship>`+
			`</Element></Entry></Relationship></Element></Entry>`, i, length, c.precision, c.scale, c.typ)
		row = append(row, c.value)
		if nulls = append(nulls, nil); c.typ == "rowversion" {
			nulls[i] = c.value // a server makes one where none is given
		}
	}
	model, err := bacpacfile.ParseModel([]byte(`<DataSchemaModel SchemaVersion="3.5"><Model><Element Type="SqlTable" Name="[s].[t]]1]"><Relationship Name="Columns">` +
		columns.String() + `</Relationship></Element></Model></DataSchemaModel>`))
	if err != nil {
		t.Fatal(err)
	}
	want := &bacpacfile.File{Model: model, DatabaseName: "types", Tables: []bacpacfile.TableData{{Table: model.Tables[0], Rows: [][]any{row, nulls}}}}
	f := start(t, "coursecompanion-empty")
	file, err := os.Create(f.path("a.bacpac"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := bacpacfile.Encode(file, want, bacpacfile.EncodeOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := f.importInto(t.Context(), "types", "a.bacpac"); got.code != 0 {
		t.Fatalf("import: %+v", got)
	}
	if got := f.export(t.Context(), "types", "b.bacpac"); got.code != 0 {
		t.Fatalf("export: %+v", got)
	}
	if diff := cmp.Diff(want.Tables[0].Rows, read(t, f.path("b.bacpac")).Tables[0].Rows); diff != "" {
		t.Errorf("rows (-before +after):\n%s", diff)
	}
}
