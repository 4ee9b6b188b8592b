package azuresql_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	mssql "github.com/microsoft/go-mssqldb"

	"github.com/bacvault/bacvault/internal/azuresql"
	"github.com/bacvault/bacvault/internal/bacvault"
)

func TestErrorsAreClassed(t *testing.T) {
	expired := mssql.Error{Number: 18456, Message: "Login failed for user '<token-identified principal>'. Token is expired."}
	for name, c := range map[string]struct {
		err     error
		code    bacvault.Code
		class   bacvault.Class
		passing bool
		says    string // in the detail or the next step
	}{
		"login":               {sqlError(18456), bacvault.CodeSQLDenied, bacvault.Terminal, false, "18456"},
		"token expired":       {expired, bacvault.CodeSQLDenied, bacvault.Retry, false, "expired"},
		"no user in it":       {sqlError(916), bacvault.CodeSQLDenied, bacvault.Terminal, false, "916"},
		"object permission":   {sqlError(229), bacvault.CodeSQLDenied, bacvault.Terminal, false, "229"},
		"create permission":   {sqlError(262), bacvault.CodeSQLDenied, bacvault.Terminal, false, "262"},
		"view permission":     {sqlError(300), bacvault.CodeSQLDenied, bacvault.Terminal, false, "300"},
		"firewall":            {sqlError(40615), bacvault.CodeSQLUnreachable, bacvault.Retry, false, "firewall"},
		"no such server":      {sqlError(40532), bacvault.CodeSQLNotFound, bacvault.Refused, false, "40532"},
		"no such database":    {sqlError(4060, 18456), bacvault.CodeSQLNotFound, bacvault.Refused, true, "4060"},
		"name taken":          {sqlError(1801), bacvault.CodeTargetExists, bacvault.Refused, false, "1801"},
		"not supported":       {sqlError(40510), bacvault.CodeSQLRefused, bacvault.Terminal, false, "40510"},
		"pool's storage":      {sqlError(1132), bacvault.CodeCopyNoRoom, bacvault.Terminal, false, "BACVAULT_COPY_OBJECTIVE"},
		"DTU quota":           {sqlError(40847), bacvault.CodeCopyNoRoom, bacvault.Terminal, false, "40847"},
		"pool's databases":    {sqlError(40881), bacvault.CodeCopyNoRoom, bacvault.Terminal, false, "40881"},
		"pool and objective":  {sqlError(40860), bacvault.CodeSQLRefused, bacvault.Terminal, false, "40860"},
		"resuming":            {sqlError(40613), bacvault.CodeSQLUnreachable, bacvault.Retry, true, "40613"},
		"deadlock":            {sqlError(1205), bacvault.CodeSQLUnreachable, bacvault.Retry, true, "1205"},
		"nobody knows":        {sqlError(45678), bacvault.CodeSQLRefused, bacvault.Retry, false, "45678"},
		"pointer-free wrap":   {fmt.Errorf("x: %w", sqlError(262)), bacvault.CodeSQLDenied, bacvault.Terminal, false, "262"},
		"end of stream":       {io.EOF, bacvault.CodeSQLUnreachable, bacvault.Retry, true, "EOF"},
		"bad connection":      {driver.ErrBadConn, bacvault.CodeSQLUnreachable, bacvault.Retry, true, "bad connection"},
		"reset":               {&net.OpError{Op: "read", Err: errors.New("reset")}, bacvault.CodeSQLUnreachable, bacvault.Retry, true, "reset"},
		"no name":             {azuresql.Connecting(&net.DNSError{Name: "srv", Err: "no such host", IsNotFound: true}), bacvault.CodeSQLUnreachable, bacvault.Retry, false, "srv"},
		"name server silent":  {azuresql.Connecting(&net.DNSError{Name: "srv", IsTimeout: true}), bacvault.CodeSQLUnreachable, bacvault.Retry, true, "srv"},
		"certificate":         {azuresql.Connecting(errors.New("TLS Handshake failed: tls: failed to verify certificate: x509: unknown authority")), bacvault.CodeSQLUnreachable, bacvault.Retry, false, "SQL_SERVER_NAME"},
		"no answer in time":   {context.DeadlineExceeded, bacvault.CodeSQLUnreachable, bacvault.Retry, false, "in time"},
		"connect took long":   {azuresql.Connecting(context.DeadlineExceeded), bacvault.CodeSQLUnreachable, bacvault.Retry, true, "in time"},
		"already a failure":   {bacvault.Fail(bacvault.CodeCopyFailed, "x"), bacvault.CodeCopyFailed, bacvault.Retry, false, "x"},
		"first known counts":  {sqlError(262, 45678), bacvault.CodeSQLDenied, bacvault.Terminal, false, "45678"},
		"login while resumed": {sqlError(40613, 18456), bacvault.CodeSQLUnreachable, bacvault.Retry, true, "40613"},
	} {
		t.Run(name, func(t *testing.T) {
			f := wantFailure(t, azuresql.Classed(c.err), c.code, c.class)
			if !strings.Contains(f.Detail+f.Next, c.says) {
				t.Errorf("does not say %q: %s; %s", c.says, f.Detail, f.Next)
			}
			if got := azuresql.Passing(c.err); got != c.passing {
				t.Errorf("passing is %t", got)
			}
		})
	}
}

func TestTokenThatCannotBeHad(t *testing.T) {
	f := wantFailure(t, azuresql.Classed(azuresql.Connecting(azuresql.Tokenless(errors.New("identity not found")))), bacvault.CodeSQLDenied, bacvault.Retry)
	if !strings.Contains(f.Next, "MANAGED_IDENTITY_CLIENT_ID") {
		t.Error(f.Next)
	}
}
