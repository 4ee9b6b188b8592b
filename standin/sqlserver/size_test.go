package sqlserver_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/standin/clock"
	"github.com/bacvault/bacvault/standin/sqlserver"
)

func TestScaleTakesItsTime(t *testing.T) {
	c := &clock.Clock{}
	s := startShop(t, sqlserver.Config{Clock: c, ScaleTime: time.Hour})
	master, st := s.open(t, admin, "master"), productStatements(t)
	inside, err := s.open(t, reader, "Shop", "disableRetry=true").Conn(ctx(t))
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	want := func(cells ...string) {
		t.Helper()
		got, err := rows(t, s.open(t, reader, "Shop"), st["stmtSize"])
		if diff := cmp.Diff([][]string{cells}, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got)\n%s", err, diff)
		}
	}
	want("GeneralPurpose", "GP_Gen5_2", "34359738368")
	if _, err := master.ExecContext(ctx(t), scaleShop); err != nil {
		t.Fatal(err)
	}
	if _, err := master.ExecContext(ctx(t), scaleShop); !cmp.Equal([]int32{40802}, numbers(err)) {
		t.Errorf("a second change meanwhile: %v", err)
	}
	want("GeneralPurpose", "GP_Gen5_2", "34359738368")
	if err := inside.PingContext(ctx(t)); err != nil {
		t.Errorf("a session during the change: %v", err)
	}
	c.Advance(time.Hour)
	want("Standard", "S3", "536870912000")
	if err := inside.QueryRowContext(ctx(t), countOrders).Scan(new(int64)); err == nil || numbers(err) != nil {
		t.Errorf("a session from before the change: %v", err)
	}
	if d, _ := s.Describe("Shop"); d.Edition != "Standard" || d.Objective != "S3" || d.MaxBytes != 500<<30 {
		t.Errorf("described as %+v", d)
	}
}

// Another maximum alone moves nothing, so nobody is cut.
func TestAnotherMaximumCutsNobody(t *testing.T) {
	c := &clock.Clock{}
	s := startShop(t, sqlserver.Config{Clock: c})
	inside, err := s.open(t, reader, "Shop", "disableRetry=true").Conn(ctx(t))
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	if _, err := s.open(t, admin, "master").ExecContext(ctx(t), "ALTER DATABASE [Shop] MODIFY (EDITION = 'GeneralPurpose', SERVICE_OBJECTIVE = 'GP_Gen5_2', MAXSIZE = 500 MB);"); err != nil {
		t.Fatal(err)
	}
	c.Advance(time.Hour)
	if err := inside.PingContext(ctx(t)); err != nil {
		t.Error(err)
	}
	if d, _ := s.Describe("Shop"); d.MaxBytes != 500<<20 {
		t.Errorf("described as %+v", d)
	}
}

func TestSizesOfNewDatabasesAndCopies(t *testing.T) {
	s := startShop(t, sqlserver.Config{})
	db := s.open(t, admin, "master")
	for _, text := range []string{
		"CREATE DATABASE [Basic] (EDITION = 'Basic');", "CREATE DATABASE [Hyper] (SERVICE_OBJECTIVE = 'HS_Gen5_4');",
		"CREATE DATABASE [Small] (EDITION = 'Premium', SERVICE_OBJECTIVE = 'P2', MAXSIZE = 5 GB);",
		"CREATE DATABASE [Same] AS COPY OF [Small];", "CREATE DATABASE [Other] AS COPY OF [Small] (SERVICE_OBJECTIVE = 'S3');",
		"CREATE DATABASE [Least] AS COPY OF [Small] (SERVICE_OBJECTIVE = 'Basic');",
	} {
		if _, err := db.ExecContext(ctx(t), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	type size struct {
		edition, objective string
		gib                int64
	}
	for name, want := range map[string]size{
		"Basic": {"Basic", "Basic", 2}, "Hyper": {"Hyperscale", "HS_Gen5_4", 128 << 10}, "Small": {"Premium", "P2", 5}, "Same": {"Premium", "P2", 5},
		"Other": {"Standard", "S3", 5}, "Least": {"Basic", "Basic", 2}, "Shop": {"GeneralPurpose", "GP_Gen5_2", 32},
	} {
		d, _ := s.Describe(name)
		if got := (size{d.Edition, d.Objective, d.MaxBytes >> 30}); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if _, err := db.ExecContext(ctx(t), "CREATE DATABASE [Large] (EDITION = 'Basic', MAXSIZE = 3 GB);"); !cmp.Equal([]int32{40809}, numbers(err)) {
		t.Errorf("too large for its edition: %v", err)
	}
}
