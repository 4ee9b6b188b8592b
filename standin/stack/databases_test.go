package stack

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/standin/arm"
	"github.com/bacvault/bacvault/standin/bacpacfile"
	"github.com/bacvault/bacvault/standin/sqlserver"
)

// The management plane knows a database again that the SQL server renamed, and takes no namesake for it.
func TestPoliciesFollowARenameOfTheServer(t *testing.T) {
	s := &Stack{}
	var err error
	if s.SQL, err = sqlserver.Start(sqlserver.Config{Listen: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	defer s.SQL.Close()
	if s.ARM, err = arm.Start(arm.Config{Databases: s.databases()}); err != nil {
		t.Fatal(err)
	}
	defer s.ARM.Close()
	empty := &bacpacfile.File{Model: bacpacfile.Model{XML: []byte("<DataSchemaModel/>")}}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	want := func(db string, want arm.Retention) {
		t.Helper()
		if got, ok := s.ARM.Retention(db); !ok || got != want {
			t.Errorf("%s: %s (found %t)", db, cmp.Diff(want, got), ok)
		}
	}
	fresh := arm.Retention{RetentionDays: 7, DiffHours: 12, Weekly: "PT0S", Monthly: "PT0S", Yearly: "PT0S"}
	live, restored := fresh, fresh
	live.Weekly, live.Immutability, restored.RetentionDays = "P4W", "Locked", 35

	do(s.SQL.Load("Orders", empty))
	do(s.SQL.Load("Orders_RESTORE", empty))
	do(s.ARM.SetRetention("orders", live))
	do(s.ARM.SetRetention("Orders_RESTORE", restored))
	do(s.SQL.Rename("Orders", "Orders_old"))
	do(s.SQL.Rename("Orders_RESTORE", "Orders"))
	want("Orders_old", live)
	want("Orders", restored)
	do(s.SQL.Copy("Orders", "Orders_RESTORE", "", "", ""))
	want("Orders_RESTORE", fresh)
	do(s.SQL.Drop("Orders_old"))
	do(s.SQL.Load("Orders_old", empty))
	want("Orders_old", fresh)
	if d, ok := s.databases().Describe("Orders"); !ok || d.Name != "Orders" || d.Edition != "GeneralPurpose" || d.MaxBytes != 32<<30 {
		t.Errorf("described as %+v", d)
	}
}
