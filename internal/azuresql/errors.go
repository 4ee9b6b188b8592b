package azuresql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"

	mssql "github.com/microsoft/go-mssqldb"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// transientNumbers are errors that pass: Microsoft's "Troubleshooting transient connection errors" and the list in
// Microsoft.Data.SqlClient's retry logic; 927 is a database that is being restored or copied.
var transientNumbers = []int32{
	233, 615, 926, 927, 997, 1204, 1205, 1222, 4060, 4221, 10928, 10929, 40143, 40197, 40501, 40540, 40613, 42108, 42109,
	49918, 49919, 49920,
}

const (
	numCannotOpen   = 4060 // a database that is not there, not there yet, or not ours to open
	numBusy         = 40501
	numLoginFailed  = 18456
	numNameTaken    = 1801
	numUnknownName  = 911
	numNoObject     = 208
	numObjectDenied = 229
	numNothingToSum = 8184  // BINARY_CHECKSUM over a table without one comparable column
	numCopySource   = 40561 // the source of a copy is not there, or not ours to copy
)

// permanentNumbers are errors that a second try can't mend. A number in neither list passes: terminal must be claimed.
var permanentNumbers = map[int32]bacvault.Code{
	numLoginFailed:  bacvault.CodeSQLDenied,
	916:             bacvault.CodeSQLDenied, // principal can't access the database
	numObjectDenied: bacvault.CodeSQLDenied,
	262:             bacvault.CodeSQLDenied, // permission for a statement: CREATE DATABASE
	297:             bacvault.CodeSQLDenied,
	5011:            bacvault.CodeSQLDenied, // to alter the database; the server says the same of one that is not there
	300:             bacvault.CodeSQLDenied, // VIEW SERVER STATE and the like
	40615:           bacvault.CodeSQLUnreachable,
	40914:           bacvault.CodeSQLUnreachable,
	47073:           bacvault.CodeSQLUnreachable,
	40532:           bacvault.CodeSQLNotFound,
	numCannotOpen:   bacvault.CodeSQLNotFound,
	numUnknownName:  bacvault.CodeSQLNotFound,
	numNameTaken:    bacvault.CodeTargetExists,
	102:             bacvault.CodeSQLRefused, // syntax
	156:             bacvault.CodeSQLRefused,
	207:             bacvault.CodeSQLRefused,
	40508:           bacvault.CodeSQLRefused,
	40510:           bacvault.CodeSQLRefused, // statement not supported
	40515:           bacvault.CodeSQLRefused,
	40804:           bacvault.CodeSQLRefused, // no such service objective
	40808:           bacvault.CodeSQLRefused, // the edition does not have it
	40860:           bacvault.CodeSQLRefused, // elastic pool and objective don't go together
	40861:           bacvault.CodeSQLRefused, // the pool has another edition
	40862:           bacvault.CodeSQLRefused, // an objective of pools without a pool
	// Limits that only room can mend, from "Troubleshoot common errors" of Azure SQL; 40847 from that of its data warehouses.
	1132:  bacvault.CodeCopyNoRoom, // the elastic pool's storage
	40544: bacvault.CodeCopyNoRoom, // the database's size quota
	40847: bacvault.CodeCopyNoRoom, // the server's DTU quota
	40873: bacvault.CodeCopyNoRoom, // databases times their least DTUs
	40881: bacvault.CodeCopyNoRoom, // the elastic pool's number of databases
}

var firewallNumbers = []int32{40615, 40914, 47073}

// serverErrors are all errors that the server sent, first to last. mssql.Error.Number is only the last: for a database that
// can't be opened that is 18456, and the telling 4060 stands before it.
func serverErrors(err error) []mssql.Error {
	var e mssql.Error
	if !errors.As(err, &e) {
		return nil
	}
	if len(e.All) > 0 {
		return e.All
	}
	return []mssql.Error{e}
}

func hasNumber(err error, numbers ...int32) bool {
	return slices.ContainsFunc(serverErrors(err), func(e mssql.Error) bool { return slices.Contains(numbers, e.Number) })
}

// certificate tells a server that can't be verified. The driver hands the handshake's error on as text only.
var certificate = regexp.MustCompile(`x509: |certificate`)

// passing says whether a read may be tried again at once.
func passing(err error) bool {
	if serverErrors(err) != nil {
		return hasNumber(err, transientNumbers...) || lost(err)
	}
	var token *tokenError
	if errors.As(err, &token) { // azidentity has tried again itself
		return false
	}
	var connect *connectError
	if errors.As(err, &connect) {
		var name *net.DNSError
		return !certificate.MatchString(err.Error()) && !(errors.As(err, &name) && name.IsNotFound)
	}
	return lost(err)
}

// lost says that a connection broke, so that nobody knows whether the server took the statement.
func lost(err error) bool {
	var n net.Error
	var stream mssql.StreamError
	var fatal mssql.ServerError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, net.ErrClosed) || errors.As(err, &stream) || errors.As(err, &fatal) ||
		(errors.As(err, &n) && !errors.Is(err, context.DeadlineExceeded))
}

// failure translates what the driver says. The error of an ended context stays as it is.
func failure(ctx context.Context, what string, err error) error {
	var done *bacvault.Failure
	if errors.As(err, &done) {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	}
	f := bacvault.Fail(bacvault.CodeSQLUnreachable, "%s: %v", what, err)
	var token *tokenError
	switch all := serverErrors(err); {
	case all != nil:
		f = refusal(what, err, all)
	case errors.As(err, &token):
		f = noToken(what, err)
	case errors.Is(err, context.DeadlineExceeded):
		f = bacvault.Fail(bacvault.CodeSQLUnreachable, "%s: no answer in time: %v", what, err)
	case certificate.MatchString(err.Error()):
		f.Next = "The server's certificate does not hold for its name; check SQL_SERVER_NAME and who answers for it."
	}
	f.Err = err
	return f
}

// noToken passes: the identity endpoint is asked again by the next run.
func noToken(what string, err error) *bacvault.Failure {
	f := bacvault.Fail(bacvault.CodeSQLDenied, "%s: %v", what, err)
	f.Class, f.Err = bacvault.Retry, err
	f.Next = "Check that the app has the managed identity of MANAGED_IDENTITY_CLIENT_ID."
	return f
}

// refusal classes the server's own errors. The first that is known counts.
func refusal(what string, err error, all []mssql.Error) *bacvault.Failure {
	var said []string
	for _, e := range all {
		said = append(said, fmt.Sprintf("%s (%d)", strings.TrimSpace(e.Message), e.Number))
	}
	f := bacvault.Fail(bacvault.CodeSQLRefused, "%s: %s", what, strings.Join(said, "; "))
	f.Class = bacvault.Retry
	for _, e := range all {
		code, known := permanentNumbers[e.Number]
		if !known && !slices.Contains(transientNumbers, e.Number) {
			continue
		}
		if !known {
			code = bacvault.CodeSQLUnreachable
		}
		f = bacvault.Fail(code, "%s", f.Detail)
		break
	}
	switch {
	case hasNumber(err, firewallNumbers...):
		f.Next = "The server's firewall does not let this app in; allow its outbound addresses, or use a private endpoint."
	case hasNumber(err, numLoginFailed) && strings.Contains(f.Detail, "expired"):
		f.Class = bacvault.Retry // the next connection gets a fresh token
	}
	return f
}
