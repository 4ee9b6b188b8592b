package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/bacvault/bacvault/internal/azuresql"
	"github.com/bacvault/bacvault/internal/bacvault"
)

// DoctorSchema names the form of a Diagnosis.
const DoctorSchema = "bacvault.doctor.v1"

// Check is a stable name of something that must be so; docs/doctor.md says of each what it means and how to put it right.
type Check string

// The checks, in the order in which they are shown.
const (
	CheckSettings      Check = "settings"
	CheckSchedule      Check = "schedule"
	CheckStorageToken  Check = "token.storage"
	CheckPlaneToken    Check = "token.management"
	CheckSQLToken      Check = "token.sql"
	CheckBusToken      Check = "token.servicebus"
	CheckVault         Check = "vault.list"
	CheckGate          Check = "vault.gate"
	CheckClock         Check = "vault.clock"
	CheckState         Check = "state.write"
	CheckWatch         Check = "watch.age"
	CheckBusSend       Check = "bus.send"
	CheckBusListen     Check = "bus.listen"
	CheckSQLLogin      Check = "sql.login"
	CheckSQLCreate     Check = "sql.create"
	CheckDatabase      Check = "sql.database"
	CheckSelect        Check = "sql.select"
	CheckDefinition    Check = "sql.definition"
	CheckDatabaseState Check = "sql.state"
	CheckDependencies  Check = "sql.dependencies"
	CheckFiltered      Check = "sql.filtered"
	CheckTool          Check = "tool.version"
	CheckWorkDir       Check = "work.write"
	CheckRoom          Check = "work.room"
)

// Checks lists them all.
func Checks() []Check {
	return []Check{
		CheckSettings, CheckSchedule, CheckStorageToken, CheckPlaneToken, CheckSQLToken, CheckBusToken, CheckVault, CheckGate, CheckClock,
		CheckState, CheckWatch, CheckBusSend, CheckBusListen, CheckSQLLogin, CheckSQLCreate, CheckDatabase, CheckSelect, CheckDefinition,
		CheckDatabaseState, CheckDependencies, CheckFiltered, CheckTool, CheckWorkDir, CheckRoom,
	}
}

// The verdicts of a check. Skipped is what could not be looked at: it is never ok.
const (
	CheckOK      = "ok"
	CheckWarn    = "warn"
	CheckFail    = "fail"
	CheckSkipped = "skipped"
)

// The apps that a doctor looks for.
const (
	AsBackup  = "backup"
	AsRestore = "restore"
	AsBoth    = "both"
)

// Diagnosis is what a doctor found, for the identity that it ran as.
type Diagnosis struct {
	Schema  string        `json:"schema"`
	At      time.Time     `json:"at"`
	Version string        `json:"version"`
	As      string        `json:"as"`
	Verdict string        `json:"verdict"` // the worst of the checks: ok, warn, skipped or fail
	Checks  []CheckResult `json:"checks"`
}

// CheckResult is one check of one thing.
type CheckResult struct {
	Check   Check  `json:"check"`
	Subject string `json:"subject,omitempty"` // the server, database, queue or folder
	Verdict string `json:"verdict"`
	Detail  string `json:"detail"`
	Fix     string `json:"fix,omitempty"` // where it is not ok
	Millis  int64  `json:"ms"`
}

const (
	// checkLimit bounds one check; a service that does not answer by then is told as that.
	checkLimit = 30 * time.Second
	// checksAtOnce bounds what is asked side by side.
	checksAtOnce = 12
)

// examined is one doctor at work.
type examined struct {
	*App
	as      string
	cred    azcore.TokenCredential
	servers map[string]*azuresql.Server // that try once: a doctor tells, it does not wait

	mu  sync.Mutex
	out []CheckResult
}

// finding is what one check says; an error is a failure with the advice that its code brings.
type finding struct{ verdict, detail, fix string }

func ok(format string, args ...any) finding {
	return finding{CheckOK, fmt.Sprintf(format, args...), ""}
}
func bad(fix, format string, args ...any) finding {
	return finding{CheckFail, fmt.Sprintf(format, args...), fix}
}
func warn(fix, format string, args ...any) finding {
	return finding{CheckWarn, fmt.Sprintf(format, args...), fix}
}
func skip(format string, args ...any) finding {
	return finding{CheckSkipped, fmt.Sprintf(format, args...), "See to what failed before it, and ask again."}
}

// failed is a check that ended in an error. fix stands in for the advice of an error that has no code.
func failed(err error, fix string) finding {
	f := bacvault.AsFailure(err, "")
	if f.Code != bacvault.CodeUnknown && f.Next != "" {
		fix = f.Next
	}
	return finding{CheckFail, f.Detail, fix}
}

// Doctor checks every setting, right and reachability that the apps need, as whoever runs it. as is the app whose part is
// looked at. It writes one small object into the state container and one file into the work folder, and removes both.
func (a *App) Doctor(ctx context.Context, as string) (Diagnosis, error) {
	x := &examined{App: a, as: as, servers: map[string]*azuresql.Server{}}
	var err error
	if x.cred, err = credential(a.cfg.ClientID, a.opts); err != nil {
		return Diagnosis{}, err
	}
	for name, s := range a.servers {
		if x.servers[name], err = azuresql.New(azuresql.Config{Address: s.address, Token: sqlToken(x.cred, a.cfg.SQLSuffix), Attempts: 1, ConnectTimeout: checkLimit / 2, Trace: a.opts.Trace}); err != nil {
			return Diagnosis{}, fmt.Errorf("server %s: %w", name, err)
		}
		defer func() { _ = x.servers[name].Close() }() // says only that a connection was broken already
	}
	x.note(CheckSettings, "", 0, ok("every setting parses, and none is unknown"))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(checksAtOnce)
	for _, group := range [][]job{x.here(), x.tokens(), x.storage(), x.queues()} {
		for _, j := range group {
			g.Go(func() error { return x.do(gctx, j) })
		}
	}
	for _, walk := range x.sql() {
		g.Go(func() error { return walk(gctx) })
	}
	if err := errors.Join(g.Wait(), ctx.Err()); err != nil {
		return Diagnosis{}, err
	}
	return diagnosis(a.now(), a.opts.Version, as, x.out), nil
}

// job is one check that is still to be made.
type job struct {
	check   Check
	subject string
	do      func(context.Context) finding
}

func (x *examined) do(ctx context.Context, j job) error {
	ctx, cancel := context.WithTimeoutCause(ctx, checkLimit, fmt.Errorf("no answer within %s", checkLimit))
	defer cancel()
	began := time.Now()
	f := j.do(ctx)
	if err := context.Cause(ctx); errors.Is(err, context.Canceled) {
		return err
	}
	x.note(j.check, j.subject, time.Since(began), f)
	return nil
}

func (x *examined) note(c Check, subject string, took time.Duration, f finding) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.out = append(x.out, CheckResult{c, subject, f.verdict, f.detail, f.fix, took.Milliseconds()})
}

func diagnosis(at time.Time, version, as string, out []CheckResult) Diagnosis {
	order := Checks()
	slices.SortStableFunc(out, func(a, b CheckResult) int {
		if d := slices.Index(order, a.Check) - slices.Index(order, b.Check); d != 0 {
			return d
		}
		if a.Subject < b.Subject {
			return -1
		}
		return 1
	})
	d := Diagnosis{Schema: DoctorSchema, At: at, Version: version, As: as, Verdict: CheckOK, Checks: out}
	worse := []string{CheckOK, CheckWarn, CheckSkipped, CheckFail}
	for _, c := range out {
		if slices.Index(worse, c.Verdict) > slices.Index(worse, d.Verdict) {
			d.Verdict = c.Verdict
		}
	}
	return d
}

// NoSettings is the diagnosis where the settings themselves can't be understood: nothing else could be looked at.
func NoSettings(err error, version, as string, now time.Time) Diagnosis {
	out := []CheckResult{{Check: CheckSettings, Verdict: CheckFail, Detail: err.Error(), Fix: "Put each setting right that is named; docs/settings.md lists them all."}}
	for _, c := range Checks()[1:] {
		f := skip("the settings are wrong")
		out = append(out, CheckResult{Check: c, Verdict: f.verdict, Detail: f.detail, Fix: f.fix})
	}
	return diagnosis(now.UTC(), version, as, out)
}
