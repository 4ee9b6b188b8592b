package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
)

func TestRequestsSayWhatTheCommandLineSaid(t *testing.T) {
	f := &fake{}
	got := enter(t, f, nil, "backup", "--database", "db", "--server", "other", "--id", "n-1", "--reason", "CHG1", "--by", "jo", "--slot", "2026-11-24T02:00:00Z")
	sent := decode[bacvault.BackupRequest](t, got.out)
	if got.code != exitOK || sent.ID != "n-1" || sent.Reason != "CHG1" || sent.RequestedBy != "jo" || sent.Database != (bacvault.Database{Server: "other", Name: "db"}) ||
		sent.Slot == nil || sent.Slot.String() != "2026-11-24T02:00:00Z" || f.closed != 1 {
		t.Errorf("%+v, sent %+v", got, sent)
	}
	got = enter(t, f, nil, "restore", "--database", "srv/db", "--target", "new", "--objective", "S9", "--edition", "Standard", "--max-size-gb", "250", "--at", "2026-11-24T06:00:00Z")
	r := decode[bacvault.RestoreRequest](t, got.out)
	if got.code != exitOK || r.Kind != bacvault.KindRestore || r.Server != "srv" || r.Name != "db" || r.TargetDatabase != "new" || r.ServiceObjective != "S9" ||
		r.Edition != "Standard" || r.MaxSizeGB != 250 || r.At == nil || r.At.Hour() != 6 {
		t.Errorf("%+v, sent %+v", got, r)
	}
	got = enter(t, f, onTerminal, "drill", "--database", "db", "--backup", "random")
	if last := f.restores[len(f.restores)-1]; got.code != exitOK || last.Kind != bacvault.KindDrill || last.Backup != bacvault.ChooseRandom || !strings.Contains(got.out, "id-1 for srv/db in restore-requests") {
		t.Errorf("%+v, sent %+v", got, last)
	}
}

func TestOlderSpellingSendsTheSame(t *testing.T) {
	f := &fake{}
	if got := enter(t, f, nil, "request", "backup", "--database", "db", "--reason", "x"); got.code != exitOK || len(f.backups) != 1 || f.backups[0].Slot != nil {
		t.Errorf("%+v, %+v", got, f.backups)
	}
	if got := enter(t, f, nil, "request", "restore", "--database", "db", "--file", "old.bacpac"); got.code != exitOK || f.restores[0].BackupFileName != "old.bacpac" {
		t.Errorf("%+v, %+v", got, f.restores)
	}
}

func TestRequestThatIsRefusedHasTheCodeOfItsFailure(t *testing.T) {
	for code, want := range map[bacvault.Code]int{bacvault.CodeRequestMalformed: exitUsage, bacvault.CodeRequestUnknownDB: exitNotFound} {
		f := &fake{err: bacvault.Fail(code, "field x")}
		for _, args := range []string{"backup --database db", "restore --database db", "drill --database db --wait", "restore --database db --plan"} {
			if got := enter(t, f, nil, strings.Fields(args)...); got.code != want || got.out != "" || !strings.Contains(got.words, string(code)) {
				t.Errorf("%s: %+v", args, got)
			}
		}
	}
}

// at gives the run's stage, none from the look `until` on.
func at(stage bacvault.Stage, until int) func(int) (*bacvault.Progress, error) {
	return func(look int) (*bacvault.Progress, error) {
		if look >= until {
			return nil, nil
		}
		return &bacvault.Progress{Run: "r1", Request: "id-1", Stage: stage, At: time.Now()}, nil
	}
}

func TestWaitForABackupEndsWithItsManifest(t *testing.T) {
	f := &fake{running: at(bacvault.StageExport, 3), manifest: func(look int) (bacvault.Manifest, bool, error) {
		return bacvault.Manifest{Blob: bacvault.Blob{Name: "srv/db/x.bacpac"}}, look > 3, nil
	}}
	got := enter(t, f, nil, "backup", "--database", "db", "--wait")
	if m := decode[bacvault.Manifest](t, got.out); got.code != exitOK || m.Blob.Name != "srv/db/x.bacpac" || lacks(got.words, "queued id-1", "run r1: export") != nil {
		t.Errorf("%+v", got)
	}
	if f.backups[0].Slot == nil || time.Since(f.backups[0].Slot.Time()) > time.Minute {
		t.Errorf("the slot is not known beforehand: %+v", f.backups[0])
	}
}

func TestDegradedBackupIsNotWhole(t *testing.T) {
	f := &fake{manifest: func(int) (bacvault.Manifest, bool, error) {
		return bacvault.Manifest{Degraded: []string{"not locked"}}, true, nil
	}}
	if got := enter(t, f, onTerminal, "backup", "--database", "db", "--wait"); got.code != exitPartial || lacks(got.out+got.words, "degraded: ", "not locked") != nil {
		t.Errorf("%+v", got)
	}
}

func TestWaitForARestoreEndsWithItsResult(t *testing.T) {
	n := int64(7)
	f := &fake{running: at(bacvault.StageImport, 2), restored: func(look int) (*app.RestoreResult, error) {
		if look < 2 {
			return nil, nil
		}
		return &app.RestoreResult{Target: bacvault.Database{Server: "srv", Name: "db_RESTORE"}, Findings: []string{"an index is disabled"},
			Tables: []bacvault.TableCheck{{Table: bacvault.Table{Schema: "dbo", Name: "t"}, Source: &n, Archive: &n, Restored: &n}}}, nil
	}}
	got := enter(t, f, onTerminal, "restore", "--database", "db", "--wait")
	if missing := lacks(got.out, "dbo.t", "7", "an index is disabled", "srv/db_RESTORE"); got.code != exitOK || missing != nil {
		t.Errorf("lacks %v: %+v", missing, got)
	}
}

func TestWaitForADrillIsAsGoodAsItsProof(t *testing.T) {
	for passed, want := range map[bool]int{true: exitOK, false: exitVerify} {
		f := &fake{proof: func(int) (*bacvault.Proof, error) {
			return &bacvault.Proof{Passed: passed, Tables: 3, Failure: &bacvault.FailureData{Code: bacvault.CodeRestoreRows, Detail: "2 rows"}}, nil
		}}
		got := enter(t, f, nil, "drill", "--database", "db", "--wait")
		if p := decode[bacvault.Proof](t, got.out); got.code != want || p.Passed != passed || strings.Contains(got.words, "restore.rows_differ: 2 rows") == passed {
			t.Errorf("passed %t: %+v", passed, got)
		}
	}
}

func TestWaitThatCanNotKnowSaysSoAndIsNoSuccess(t *testing.T) {
	none := func(int) (bacvault.Manifest, bool, error) { return bacvault.Manifest{}, false, nil }
	for _, c := range []struct {
		name     string
		manifest func(int) (bacvault.Manifest, bool, error)
		running  func(int) (*bacvault.Progress, error)
		timeout  string
		words    string
	}{
		{"no right on the vault", func(int) (bacvault.Manifest, bool, error) {
			return bacvault.Manifest{}, false, bacvault.Fail(bacvault.CodeVaultDenied, "403")
		}, nil, "1m", "its end can't be seen from here (vault.denied: 403)"},
		{"nothing comes", none, nil, "20ms", "is not seen to be done after 20ms"},
		{"neither progress nor result", none, func(int) (*bacvault.Progress, error) { return nil, errors.New("403") }, "20ms", "progress can't be read"},
		{"the store is away", func(int) (bacvault.Manifest, bool, error) {
			return bacvault.Manifest{}, false, bacvault.Fail(bacvault.CodeVaultRead, "503")
		}, nil, "20ms", "is not seen to be done"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{manifest: c.manifest, running: c.running}
			got := enter(t, f, nil, "backup", "--database", "db", "--wait", "--timeout", c.timeout)
			if got.code != exitPartial || !strings.Contains(got.words, c.words) {
				t.Errorf("%+v", got)
			}
			if sent := decode[bacvault.BackupRequest](t, got.out); sent.ID != "id-1" {
				t.Errorf("what was sent is not told: %s", got.out)
			}
		})
	}
}

// A failure for good ends the wait at once, with its own exit code; one that is tried again is told, and the wait goes on.
func TestWaitEndsWithTheFailureItself(t *testing.T) {
	failure := bacvault.Fail(bacvault.CodeVerifyRows, "table dbo.t has 2 rows, expected 3")
	failure.Exists = "nothing was written"
	passing := bacvault.Fail(bacvault.CodeSQLUnreachable, "no route")
	for _, command := range []string{"backup", "restore", "drill"} {
		f := &fake{running: at(bacvault.StageExport, 2)}
		f.manifest = func(int) (bacvault.Manifest, bool, error) { return bacvault.Manifest{}, false, nil }
		f.restored = func(int) (*app.RestoreResult, error) { return nil, nil }
		f.proof = func(int) (*bacvault.Proof, error) { return nil, nil }
		f.end = func(look int) *app.End {
			switch {
			case look < 1:
				return nil
			case look < 4:
				return &app.End{Request: "id-1", Attempt: 1, Failure: *passing.Data()}
			}
			return &app.End{Request: "id-1", Attempt: 2, Final: true, Failure: *failure.Data()}
		}
		began := time.Now()
		got := enter(t, f, nil, command, "--database", "db", "--wait", "--timeout", "1m")
		missing := lacks(got.words, "attempt 1 failed and is made again: sql.unreachable: no route", "verify.rows_differ", "expected 3", "nothing was written")
		if got.code != exitVerify || missing != nil || strings.Count(got.words, "attempt 1") != 1 || !strings.Contains(got.out, "id-1") {
			t.Errorf("%s: lacks %v: %+v", command, missing, got)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: it took %s", command, took)
		}
	}
}

func TestRunThatEndedWithoutAResultIsToldAsThat(t *testing.T) {
	c, _, _ := desk(nil, nil)
	w := &waiting{c: c, awaited: awaited{request: "id-1"}, show: c.watch()}
	defer w.show.close()
	if err := w.judge(&bacvault.Progress{Run: "r1", Stage: bacvault.StageGate, Done: true, Note: "gate.unlocked"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.judge(nil, nil); err != nil {
		t.Fatalf("the traces of a run that ended this moment may still come: %v", err)
	}
	w.gone = w.gone.Add(-2 * grace)
	var v verdict
	if err := w.judge(nil, nil); !errors.As(err, &v) || v.code != exitPartial || !strings.Contains(v.why, "gate.unlocked") {
		t.Errorf("%v", err)
	}
}

// mute is an operator whose state container does not answer.
type mute struct{ *fake }

func (mute) LastEnd(ctx context.Context, _ string, _ bacvault.Database, _ string, _ time.Time) (*app.End, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (mute) Running(ctx context.Context, _ string) (*bacvault.Progress, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A state container that does not answer takes no time from the look at the vault, where the result lies.
func TestAResultIsSeenThoughTheStateContainerDoesNotAnswer(t *testing.T) {
	c, _, _ := desk(nil, nil)
	w := &waiting{c: c, operator: mute{&fake{}}, awaited: awaited{request: "id-1"}, show: c.watch(), limit: 10 * time.Millisecond}
	defer w.show.close()
	end, err := w.look(t.Context(), func(ctx context.Context) (bool, error) { return ctx.Err() == nil, ctx.Err() })
	if !end || err != nil {
		t.Errorf("seen %t, %v", end, err)
	}
	if end, err = w.look(t.Context(), func(context.Context) (bool, error) { return false, nil }); end || err != nil || !w.blind {
		t.Errorf("seen %t, %v; that its progress can't be read was said: %t", end, err, w.blind)
	}
}

func TestInterruptedWaitLeavesTheRequest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &fake{manifest: func(look int) (bacvault.Manifest, bool, error) {
		if look > 2 {
			cancel()
		}
		return bacvault.Manifest{}, false, nil
	}}
	c, _, words := desk(nil, f, "backup", "--database", "db", "--wait")
	if code := run(ctx, c); code != exitCancelled || !strings.Contains(words.String(), "no longer waiting for request id-1") {
		t.Errorf("exit %d, %s", code, words)
	}
}
