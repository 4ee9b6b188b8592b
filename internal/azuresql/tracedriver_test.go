package azuresql

import (
	"database/sql/driver"
	"reflect"
	"testing"

	mssql "github.com/microsoft/go-mssqldb"
)

// database/sql finds out by type what a driver can do: who listens must not take any of it away, and no statement may have a way past
// them.
func TestATraceTakesNothingFromTheDriver(t *testing.T) {
	conn, listened := reflect.TypeFor[*mssql.Conn](), reflect.TypeFor[traced]()
	for _, i := range []reflect.Type{
		reflect.TypeFor[driver.ConnBeginTx](), reflect.TypeFor[driver.ConnPrepareContext](), reflect.TypeFor[driver.Pinger](), reflect.TypeFor[driver.SessionResetter](),
		reflect.TypeFor[driver.Validator](), reflect.TypeFor[driver.NamedValueChecker](), reflect.TypeFor[driver.QueryerContext](), reflect.TypeFor[driver.ExecerContext](),
	} {
		if conn.Implements(i) != listened.Implements(i) {
			t.Errorf("%s: the driver's connection %t, the one that is listened to %t", i, conn.Implements(i), listened.Implements(i))
		}
	}
	for _, i := range []reflect.Type{reflect.TypeFor[driver.QueryerContext](), reflect.TypeFor[driver.ExecerContext]()} {
		if conn.Implements(i) {
			t.Errorf("%s: the driver has a way past PrepareContext, which is all that a trace hears", i)
		}
	}
	stmt, heard := reflect.TypeFor[*mssql.Stmt](), reflect.TypeFor[tracedStmt]()
	for _, i := range []reflect.Type{
		reflect.TypeFor[driver.StmtQueryContext](), reflect.TypeFor[driver.StmtExecContext](), reflect.TypeFor[driver.NamedValueChecker](),
	} {
		if stmt.Implements(i) != heard.Implements(i) {
			t.Errorf("%s: the driver's statement %t, the one that is listened to %t", i, stmt.Implements(i), heard.Implements(i))
		}
	}
}
