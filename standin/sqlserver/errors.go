package sqlserver

import (
	"slices"

	"github.com/bacvault/bacvault/standin/sqlserver/tds"
)

// Numbers, severities and texts are those of sys.messages (SQL Server 2022) and of "Database copy errors" in Azure SQL's
// documentation.

const tokenPrincipal = "<token-identified principal>"

func errLogin(user string) *tds.Error {
	return tds.Errorf(18456, 14, "Login failed for user '%s'.", user)
}

// errCannotOpen goes before 18456. With the driver Number is then 18456, and only All tells the cause.
func errCannotOpen(db string, why ...*tds.Error) tds.Errors {
	cannot := tds.Errorf(4060, 11, `Cannot open database "%s" requested by the login. The login failed.`, db)
	return append(append(tds.Errors{}, why...), cannot, errLogin(tokenPrincipal))
}

func errRestoring(db string) *tds.Error {
	return tds.Errorf(927, 14, "Database '%s' cannot be opened. It is in the middle of a restore.", db)
}

func errSuspect(db string) *tds.Error {
	return tds.Errorf(926, 14, "Database '%s' cannot be opened. It has been marked SUSPECT by recovery. "+
		"See the SQL Server errorlog for more information.", db)
}

func errUnknownStatement(text string) *tds.Error {
	if r := []rune(text); len(r) > 200 {
		text = string(r[:200]) + "…"
	}
	return tds.Errorf(40510, 16, "Statement '%s' is not supported: the SQL Server stand-in does not know this statement.", text)
}

func errNoParameter(name string) *tds.Error {
	return tds.Errorf(8178, 16, "The parameterized query expects the parameter '%s', which was not supplied, or not as its type.", name)
}

func errBadName(name string) *tds.Error {
	return tds.Errorf(1038, 15, "An object or column name is missing, empty or too long: %q.", name)
}

func errNameTaken(name string) *tds.Error {
	return tds.Errorf(1801, 16, "Database '%s' already exists. Choose a different database name.", name)
}

func errNoDrop(name string) *tds.Error {
	return tds.Errorf(3701, 11, "Cannot drop the database '%s', because it does not exist or you do not have permission.", name)
}

func errNoTable(schema, name string) *tds.Error {
	return tds.Errorf(208, 16, "Invalid object name '%s.%s'.", schema, name)
}

func errObjectDenied(right, schema, name, db string) *tds.Error {
	return tds.Errorf(229, 14, "The %s permission was denied on the object '%s', database '%s', schema '%s'.", right, name, db, schema)
}

func errDatabaseDenied(right, db string) *tds.Error {
	return tds.Errorf(262, 14, "%s permission denied in database '%s'.", right, db)
}

// errStateDenied is what a dynamic management view answers.
func errStateDenied(db string) tds.Errors {
	return tds.Errors{
		errDatabaseDenied("VIEW DATABASE STATE", db),
		tds.Errorf(297, 16, "The user does not have permission to perform this action."),
	}
}

func errNotMaster() *tds.Error {
	return tds.Errorf(5001, 16, "User must be in the master database.")
}

func errInTransaction(statement string) *tds.Error {
	return tds.Errorf(226, 16, "%s statement not allowed within multi-statement transaction.", statement)
}

// errNoAlter is what ALTER DATABASE tells who may not, and of what is not there. 5069 follows, so that with the driver
// Number is that.
func errNoAlter(name string) tds.Errors {
	return tds.Errors{tds.Errorf(5011, 14, "User does not have permission to alter database '%s', the database does not exist, "+
		"or the database is not in a state that allows access checks.", name), errAlterFailed()}
}

func errAlterFailed() *tds.Error { return tds.Errorf(5069, 16, "ALTER DATABASE statement failed.") }

func errNotNow(state string) tds.Errors {
	return tds.Errors{tds.Errorf(5052, 16, "ALTER DATABASE is not permitted while a database is in the %s state.", state), errAlterFailed()}
}

// errReplicated is what renames in a failover group met (MicrosoftDocs/azure-docs #68986).
func errReplicated(db string) *tds.Error {
	return tds.Errorf(40680, 16, "The operation cannot be performed since the database '%s' is in a replication relationship.", db)
}

func errScaling(server, db string) *tds.Error {
	return tds.Errorf(40802, 16, "A service objective assignment on server '%s' and database '%s' is already in progress. "+
		"Please wait until the service objective assignment state for the database is marked as 'Completed'.", server, db)
}

// errMaxSize's number is from memory.
func errMaxSize(edition, maximum string) *tds.Error {
	return tds.Errorf(40809, 16, "The edition '%s' does not support the database max size '%s'.", edition, maximum)
}

// errObjective's number is from memory, unlike the others.
func errObjective(objective string) *tds.Error {
	return tds.Errorf(40804, 16, "The specified service objective '%s' is invalid.", objective)
}

func errEdition(edition, objective string) *tds.Error {
	return tds.Errorf(40808, 16, "The edition '%s' does not support the service objective '%s'.", edition, objective)
}

func errNoCopySource() *tds.Error {
	return tds.Errorf(40561, 16, "Database copy failed. Either the source or target database does not exist.")
}

func errCopyTargetDropped() *tds.Error {
	return tds.Errorf(40563, 16, "Database copy failed. The target database has been dropped.")
}

func errCopyFailed() *tds.Error {
	return tds.Errorf(40564, 16, "Database copy failed due to an internal error. Please drop target database and try again.")
}

func errNothingToSum() *tds.Error {
	return tds.Errorf(8184, 16, "Error in binarychecksum. There are no comparable columns in the binarychecksum input.")
}

func errParameters(want, got []string) *tds.Error {
	for _, name := range want {
		if !slices.Contains(got, name) {
			return errNoParameter(name)
		}
	}
	return tds.Errorf(8145, 16, "the SQL Server stand-in knows this statement with the parameters %v, not with %v.", want, got)
}
