package sqlserver_test

import (
	"database/sql"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/standin/bacpacfile"
	"github.com/bacvault/bacvault/standin/sqlserver"
)

const bacpacs = "../../testdata/bacpacs/"

// objectCounts is stmtObjects as a map.
func objectCounts(t *testing.T, s stand, principal, db string) map[string]int {
	t.Helper()
	got, err := rows(t, s.open(t, principal, db), productStatements(t)["stmtObjects"])
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, row := range got {
		if counts[row[0]], err = strconv.Atoi(row[1]); err != nil {
			t.Fatal(err)
		}
	}
	return counts
}

// The counts of real models, told by their elements' tags, not by what the server makes of them.
func TestObjectsOfRealDatabases(t *testing.T) {
	for file, want := range map[string]map[string]int{
		"pubs": {
			"tables": 11, "views": 1, "procedures": 4, "triggers": 1, "user types": 3, "indexes": 7, "primary keys": 9, "foreign keys": 10,
			"check constraints": 6, "default constraints": 9,
		},
		"adventureworkslt-2025": {
			"tables": 12, "views": 3, "procedures": 2, "functions": 3, "triggers": 2, "user types": 6, "indexes": 7, "primary keys": 11,
			"unique constraints": 15, "foreign keys": 12, "check constraints": 13, "default constraints": 31,
		},
		"initech-desks": {"tables": 8, "views": 2, "indexes": 7, "primary keys": 8, "foreign keys": 7, "default constraints": 6},
		"coursecompanion-empty": {
			"tables": 14, "procedures": 6, "indexes": 3, "primary keys": 13, "unique constraints": 4, "foreign keys": 12, "default constraints": 12,
		},
		"wingtip-contosoconcerthall": {
			"tables": 11, "views": 11, "procedures": 5, "indexes": 5, "primary keys": 10, "unique constraints": 1, "foreign keys": 8,
			"check constraints": 5, "default constraints": 9,
		},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			s := start(t, sqlserver.Config{})
			if err := s.LoadFile("Shop", bacpacs+file+".bacpac"); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, objectCounts(t, s, admin, "Shop")); diff != "" {
				t.Error("(-want +got):\n" + diff)
			}
			var users [][]string
			if file == "initech-desks" {
				users = [][]string{{"Auth0HackUser"}}
			}
			level := map[string]string{"pubs": "140", "wingtip-contosoconcerthall": "140", "initech-desks": "150"}[file]
			if level == "" {
				level = "170" // the default is not in the model
			}
			if got, err := rows(t, s.open(t, admin, "master"), productStatements(t)["stmtDatabase"], sql.Named("name", "Shop")); err != nil || got[0][4] != level {
				t.Errorf("compatibility level: %v, %v; want %s", got, err, level)
			}
			if got, err := rows(t, s.open(t, admin, "Shop"), productStatements(t)["stmtPrincipals"]); err != nil || !cmp.Equal(users, got) {
				t.Errorf("principals: %v, %v", got, err)
			}
		})
	}
}

// What stands inside another element is not counted, and system names are nobody's.
func TestModelElements(t *testing.T) {
	s := start(t, sqlserver.Config{})
	load := func(name, elements string) {
		t.Helper()
		if err := s.Load(name, &bacpacfile.File{Model: bacpacfile.Model{XML: []byte("<DataSchemaModel><Model>" + elements + "</Model></DataSchemaModel>")}}); err != nil {
			t.Fatal(err)
		}
	}
	load("Shop", `
		<Element Type="SqlTableType" Name="[dbo].[List]"><Relationship Name="Constraints"><Entry>
			<Element Type="SqlPrimaryKeyConstraint"/><Element Type="SqlCheckConstraint"/></Entry></Relationship></Element>
		<Element Type="SqlDatabaseDdlTrigger" Name="[T]"/><Element Type="SqlSequence" Name="[dbo].[S]"/><Element Type="SqlSynonym" Name="[dbo].[Y]"/>
		<Element Type="SqlSecurityPolicy" Name="[dbo].[P]"/><Element Type="SqlColumnStoreIndex"/><Element Type="SqlStatistic"/><Element Type="SqlExternalTable"/>
		<Element Type="SqlUser" Name="[b]]ob]"/><Element Type="SqlRole" Name="[Auditors]"/><Element Type="SqlApplicationRole" Name="[app]"/>
		<Element Type="SqlUser" Name="[DBO]"/><Element Type="SqlUser" Name="[guest]"/><Element Type="SqlLogin" Name="[login]"/>
		<Element Type="SqlUser" Name="[signer]"><Relationship Name="Certificate"/></Element>`)
	want := map[string]int{"user types": 1, "triggers": 1, "sequences": 1, "synonyms": 1, "security policies": 1, "indexes": 1, "tables": 1}
	if diff := cmp.Diff(want, objectCounts(t, s, admin, "Shop")); diff != "" {
		t.Error("(-want +got):\n" + diff)
	}
	got, err := rows(t, s.open(t, admin, "Shop"), productStatements(t)["stmtPrincipals"])
	if diff := cmp.Diff([][]string{{"app"}, {"Auditors"}, {"b]ob"}}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// Without VIEW DEFINITION one sees what one may read, and no other principal.
func TestReadersSeeLess(t *testing.T) {
	s := start(t, sqlserver.Config{Allow: func(p, action, scope string) bool { return action != "sql/VIEW DEFINITION" && allow(p, action, scope) }})
	if err := s.LoadFile("Shop", bacpacs+"adventureworkslt-2025.bacpac"); err != nil {
		t.Fatal(err)
	}
	if err := s.AddPrincipal("Shop", "someone"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"tables": 12, "views": 3, "functions": 2, "indexes": 7}, objectCounts(t, s, reader, "Shop")); diff != "" {
		t.Error("(-want +got):\n" + diff)
	}
	if got, err := rows(t, s.open(t, reader, "Shop"), productStatements(t)["stmtPrincipals"]); err != nil || got != nil {
		t.Errorf("principals: %v, %v", got, err)
	}
}

// A copy that was made before a loss has lost nothing, and one made after it has.
func TestLosses(t *testing.T) {
	s := start(t, sqlserver.Config{})
	if err := s.LoadFile("Shop", bacpacs+"initech-desks.bacpac"); err != nil {
		t.Fatal(err)
	}
	whole := objectCounts(t, s, admin, "Shop")
	ddl := s.open(t, admin, "master")
	copyTo := func(name string) {
		t.Helper()
		if _, err := ddl.ExecContext(ctx(t), "CREATE DATABASE ["+name+"] AS COPY OF [Shop];"); err != nil {
			t.Fatal(err)
		}
	}
	copyTo("Before")
	for _, err := range []error{
		s.LoseObject("shop", "views"), s.LoseObject("Shop", "tables"), s.LosePrincipal("Shop", "AUTH0hackuser"),
		s.SetCollation("Shop", "Latin1_General_BIN2"), s.SetCompatibility("Shop", 140), s.SetGeoLinks("Shop", 2),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	copyTo("After")
	if diff := cmp.Diff(whole, objectCounts(t, s, admin, "Before")); diff != "" {
		t.Error("the earlier copy (-want +got):\n" + diff)
	}
	whole["views"]--
	whole["tables"]--
	st := productStatements(t)
	for db, links := range map[string]string{"Shop": "2", "After": "0"} {
		if diff := cmp.Diff(whole, objectCounts(t, s, admin, db)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", db, diff)
		}
		for text, want := range map[string][][]string{st["stmtPrincipals"]: nil, st["stmtGeoLinks"]: {{links}}} {
			if got, err := rows(t, s.open(t, admin, db), text); err != nil || !cmp.Equal(want, got) {
				t.Errorf("%s in %s: %v, %v", text, db, got, err)
			}
		}
		got, err := rows(t, ddl, st["stmtDatabase"], sql.Named("name", db))
		if err != nil || got[0][3] != "Latin1_General_BIN2" || got[0][4] != "140" {
			t.Errorf("%s is shown as %v, %v", db, got, err)
		}
	}
	for what, err := range map[string]error{
		"kind": s.LoseObject("Shop", "synonyms"), "principal": s.LosePrincipal("Shop", "Auth0HackUser"), "database": s.LoseObject("Nowhere", "views"),
	} {
		if err == nil {
			t.Errorf("a loss of a %s that is not there", what)
		}
	}
}

// Each change of rows shows where it should, and only there.
func TestChangesOfRows(t *testing.T) {
	for file, table := range map[string]string{"pubs": "[dbo].[authors]", "initech-desks": "[dbo].[WorkRequests]"} {
		s := start(t, sqlserver.Config{})
		if err := s.LoadFile("Shop", bacpacs+file+".bacpac"); err != nil {
			t.Fatal(err)
		}
		print := func() []string {
			t.Helper()
			got, err := rows(t, s.open(t, admin, "Shop"), "SELECT COUNT_BIG(*), CHECKSUM_AGG(BINARY_CHECKSUM(*)) FROM "+table+";")
			if err != nil {
				t.Fatal(err)
			}
			return got[0]
		}
		const schema = "dbo"
		name := "authors"
		if file != "pubs" {
			name = "WorkRequests"
		}
		first := print()
		if err := s.AlterValue("Shop", schema, name); err != nil {
			t.Fatal(err)
		}
		altered := print()
		if altered[0] != first[0] || altered[1] == first[1] {
			t.Errorf("%s: a changed value: %v, then %v", file, first, altered)
		}
		if err := s.InsertRows("Shop", schema, name, 3); err != nil {
			t.Fatal(err)
		}
		more := print()
		was, _ := strconv.Atoi(altered[0])
		if n, _ := strconv.Atoi(more[0]); n != was+3 || more[1] == altered[1] {
			t.Errorf("%s: three more rows: %v, then %v", file, altered, more)
		}
		if s.AlterValue("Shop", schema, "Nothing") == nil || s.InsertRows("Shop", schema, "Nothing", 1) == nil {
			t.Error("a table that is not there was changed")
		}
	}
	s := startShop(t, sqlserver.Config{})
	if s.InsertRows("Shop", "Sales", "Empty", 1) == nil || s.AlterValue("Shop", "Sales", "Empty") == nil {
		t.Error("an empty table was changed")
	}
}
