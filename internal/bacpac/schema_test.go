package bacpac_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/internal/bacvault"
)

type objects map[bacvault.ObjectKind]int

// The numbers are those of grep over each model.xml.
func TestSchemaOfRealArchives(t *testing.T) {
	const latin1 = "SQL_Latin1_General_CP1_CI_AS"
	for name, want := range map[string]bacvault.Schema{
		"adventureworkslt-2025": {Collation: latin1, Objects: objects{
			bacvault.Tables: 12, bacvault.Views: 3, bacvault.Procedures: 2, bacvault.Functions: 3, bacvault.Triggers: 2,
			bacvault.UserTypes: 6, bacvault.Indexes: 7, bacvault.PrimaryKeys: 11, bacvault.UniqueConstraints: 15,
			bacvault.ForeignKeys: 12, bacvault.CheckConstraints: 13, bacvault.DefaultConstraints: 31,
		}},
		"coursecompanion-empty": {Collation: latin1, Objects: objects{
			bacvault.Tables: 14, bacvault.Procedures: 6, bacvault.Indexes: 3, bacvault.PrimaryKeys: 13, bacvault.UniqueConstraints: 4,
			bacvault.ForeignKeys: 12, bacvault.DefaultConstraints: 12,
		}},
		"initech-desks": {Collation: latin1, CompatibilityLevel: 150, Principals: []string{"Auth0HackUser"}, Objects: objects{
			bacvault.Tables: 8, bacvault.Views: 2, bacvault.Indexes: 7, bacvault.PrimaryKeys: 8, bacvault.ForeignKeys: 7,
			bacvault.DefaultConstraints: 6,
		}},
		"pubs": {Collation: latin1, CompatibilityLevel: 140, Objects: objects{
			bacvault.Tables: 11, bacvault.Views: 1, bacvault.Procedures: 4, bacvault.Triggers: 1, bacvault.UserTypes: 3, bacvault.Indexes: 7,
			bacvault.PrimaryKeys: 9, bacvault.ForeignKeys: 10, bacvault.CheckConstraints: 6, bacvault.DefaultConstraints: 9,
		}},
		"wingtip-contosoconcerthall": {Collation: latin1, CompatibilityLevel: 140, Objects: objects{
			bacvault.Tables: 11, bacvault.Views: 11, bacvault.Procedures: 5, bacvault.Indexes: 5, bacvault.PrimaryKeys: 10,
			bacvault.UniqueConstraints: 1, bacvault.ForeignKeys: 8, bacvault.CheckConstraints: 5, bacvault.DefaultConstraints: 9,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := verify(readReal(t, name))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, report.Schema); d != "" {
				t.Errorf("schema (-want +got):\n%s", d)
			}
		})
	}
}

// withElements writes a bacpac of one table whose model has more elements at its top.
func withElements(t *testing.T, elements string) []byte {
	t.Helper()
	files := filesOf(made("dbo", "t", []column{{typ: "int"}}))
	model := bytes.Replace(files[0].data, []byte("</Model>"), []byte(elements+"</Model>"), 1)
	files[0].data = model
	files[len(files)-1].data = originOf(model, 1, "dbo.t")
	return zipped(t, files...)
}

func TestSchemaCountsWhatAServerCounts(t *testing.T) {
	report, err := verify(withElements(t, `
		<Element Type="SqlDatabaseOptions"><Property Name="Collation" Value="Latin1_General_100_CI_AS" /><Property Name="CompatibilityMode" Value="170" /></Element>
		<Element Type="SqlTableType" Name="[dbo].[tt]">
			<Relationship Name="Columns"><Entry><Element Type="SqlTableTypeSimpleColumn" Name="[dbo].[tt].[c]" /></Entry></Relationship>
			<Relationship Name="Constraints"><Entry><Element Type="SqlPrimaryKeyConstraint" Name="[dbo].[tt].[pk]" /></Entry>
				<Entry><Element Type="SqlTableTypeDefaultConstraint" Name="[dbo].[tt].[d]" /></Entry>
				<Entry><Element Type="SqlDefaultConstraint" /></Entry><Entry><Element Type="SqlIndex" Name="[dbo].[tt].[i]" /></Entry></Relationship></Element>
		<Element Type="SqlMultiStatementTableValuedFunction" Name="[dbo].[f]"><Relationship Name="Columns"><Entry>
			<Element Type="SqlPrimaryKeyConstraint" /></Entry></Relationship></Element>
		<Element Type="SqlUserDefinedDataType" Name="[dbo].[alias]" /><Element Type="SqlUserDefinedType" Name="[dbo].[clr]" />
		<Element Type="SqlColumnStoreIndex" Name="[dbo].[t].[cci]" /><Element Type="SqlSpatialIndex" Name="[dbo].[t].[s]" />
		<Element Type="SqlSelectiveXmlIndex" Name="[dbo].[t].[x]" /><Element Type="SqlFullTextIndex" Name="[dbo].[t]" />
		<Element Type="SqlDatabaseDdlTrigger" Name="[ddl]" /><Element Type="SqlDmlTrigger" Name="[dbo].[tr]" />
		<Element Type="SqlSequence" Name="[dbo].[seq]" /><Element Type="SqlSynonym" Name="[dbo].[syn]" /><Element Type="SqlSecurityPolicy" Name="[dbo].[p]" />
		<Element Type="SqlRole" Name="[readers]" /><Element Type="SqlApplicationRole" Name="[app]" />
		<Element Type="SqlUser" Name="[guest]" />
		<Element Type="SqlUser" Name="[signed]"><Relationship Name="Certificate"><Entry><References Name="[c]" /></Entry></Relationship></Element>
		<Element Type="SqlUser" Name="[a]]b]"><Relationship Name="Login"><Entry><References Name="[l]" /></Entry></Relationship></Element>`))
	if err != nil {
		t.Fatal(err)
	}
	want := bacvault.Schema{
		Collation: "Latin1_General_100_CI_AS", CompatibilityLevel: 170, Principals: []string{"a]b", "app", "readers"},
		Objects: objects{
			bacvault.Tables: 1, bacvault.UserTypes: 3, bacvault.Functions: 1, bacvault.Indexes: 3, bacvault.Triggers: 2,
			bacvault.Sequences: 1, bacvault.Synonyms: 1, bacvault.SecurityPolicies: 1,
		},
	}
	if d := cmp.Diff(want, report.Schema); d != "" {
		t.Errorf("schema (-want +got):\n%s", d)
	}
}
