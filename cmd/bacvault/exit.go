package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
)

// verdict is an answer that is not "good", as an exit code.
type verdict struct {
	code int
	why  string
}

func (v verdict) Error() string { return v.why }

// usageError is a command line that only the command itself could see to be wrong.
type usageError string

func (e usageError) Error() string { return string(e) }

// codes is the one table from a failure's code to an exit code.
func codes() map[bacvault.Code]int {
	return map[bacvault.Code]int{
		bacvault.CodeUnknown: exitFault,

		bacvault.CodeRequestMalformed: exitUsage,
		bacvault.CodeRequestUnknownDB: exitNotFound,
		bacvault.CodeRequestNoBackup:  exitNotFound,

		bacvault.CodeLeaseLost: exitBusy,

		bacvault.CodeGateNoPolicy:  exitRefused,
		bacvault.CodeGateUnlocked:  exitRefused,
		bacvault.CodeGateTooShort:  exitRefused,
		bacvault.CodeGateUnread:    exitUnreachable,
		bacvault.CodeGateDisagrees: exitRefused,

		bacvault.CodePolicyChanged: exitBusy,
		bacvault.CodePolicyRefused: exitRefused,
		bacvault.CodePolicyFailed:  exitUnreachable,

		bacvault.CodeSQLUnreachable: exitUnreachable,
		bacvault.CodeSQLDenied:      exitRefused,
		bacvault.CodeSQLNotFound:    exitNotFound,
		bacvault.CodeSQLRefused:     exitFault,
		bacvault.CodeCopyFailed:     exitFault,
		bacvault.CodeCopyTimeout:    exitFault,
		bacvault.CodeCopyNoRoom:     exitFault,
		bacvault.CodeTargetExists:   exitRefused,

		bacvault.CodeDiskFull:    exitRefused,
		bacvault.CodeFiltered:    exitRefused,
		bacvault.CodeUnsupported: exitRefused,

		bacvault.CodeExportFailed:   exitFault,
		bacvault.CodeExportStalled:  exitFault,
		bacvault.CodeExportDeadline: exitFault,
		bacvault.CodeExportDenied:   exitRefused,
		bacvault.CodeExportSchema:   exitFault,
		bacvault.CodeImportFailed:   exitFault,
		bacvault.CodeImportStalled:  exitFault,
		bacvault.CodeImportDeadline: exitFault,
		bacvault.CodeImportNotEmpty: exitRefused,
		bacvault.CodeToolMissing:    exitRefused,
		bacvault.CodeToolKilled:     exitFault,
		bacvault.CodeToolOld:        exitRefused,

		bacvault.CodeVerifyBroken:     exitVerify,
		bacvault.CodeVerifyUnverified: exitVerify,
		bacvault.CodeVerifyRows:       exitVerify,
		bacvault.CodeVerifyHash:       exitVerify,

		bacvault.CodeVaultDenied:   exitRefused,
		bacvault.CodeVaultConflict: exitRefused,
		bacvault.CodeVaultOrphan:   exitNotFound,
		bacvault.CodeVaultPhantom:  exitVerify,
		bacvault.CodeVaultMissing:  exitNotFound,
		bacvault.CodeVaultWrite:    exitUnreachable,
		bacvault.CodeVaultRead:     exitUnreachable,

		bacvault.CodeRestoreRows: exitVerify,

		bacvault.CodeDrillBlind: exitVerify,

		bacvault.CodePromoteUnproven:  exitRefused,
		bacvault.CodePromoteGeo:       exitRefused,
		bacvault.CodePromoteImmutable: exitRefused,
		bacvault.CodePromoteChanged:   exitRefused,
		bacvault.CodePromoteFailed:    exitFault,
	}
}

// exitCode turns an error into the code, and says what the command has not said itself. Whatever is not in the table failed.
func exitCode(ctx context.Context, err error, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	code := exitFault
	var v verdict
	var u usageError
	var f *bacvault.Failure
	switch holder, busy := app.Busy(err); {
	case errors.As(err, &v):
		code = v.code
		fmt.Fprintln(stderr, "bacvault:", v.why)
	case errors.As(err, &u):
		code = exitUsage
		fmt.Fprintln(stderr, "bacvault:", u)
	case busy:
		code = exitBusy
		fmt.Fprintln(stderr, "bacvault:", holder)
	case errors.As(err, &f):
		tell(stderr, f, ctx.Err() == nil)
		if c, ok := codes()[f.Code]; ok {
			code = c
		}
	default:
		fmt.Fprintln(stderr, "bacvault:", err)
		code = ofBus(err)
	}
	if ctx.Err() != nil && code != exitUsage {
		return exitCancelled
	}
	return code
}

// ofBus is for what Service Bus answered, which has no code.
func ofBus(err error) int {
	switch {
	case errors.Is(err, app.ErrBusDenied):
		return exitRefused
	case errors.Is(err, app.ErrBusNoEntity):
		return exitNotFound
	case errors.Is(err, app.ErrBusAway):
		return exitUnreachable
	}
	return exitFault
}

// tell says what failed, what exists now and what to do next. The advice on an unknown failure is for runs that come by the
// queue, where it is tried again by itself; here nobody does that.
func tell(w io.Writer, f *bacvault.Failure, advise bool) {
	fmt.Fprintln(w, "bacvault:", f)
	if f.Exists != "" {
		fmt.Fprintln(w, "  now:  ", f.Exists)
	}
	if f.Next != "" && advise && f.Code != bacvault.CodeUnknown {
		fmt.Fprintln(w, "  next: ", f.Next)
	}
}
