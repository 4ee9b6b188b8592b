package main

import (
	"io"
	"sync"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/config"
	"github.com/sirupsen/logrus"
)

// The field names of every log line; alerts and the demo read them.
const (
	fieldRun      = "run"
	fieldSlot     = "slot"
	fieldDB       = "db"
	fieldStage    = "stage"
	fieldAttempt  = "attempt"
	fieldCode     = "code"
	fieldRequest  = "request"
	fieldKind     = "kind"
	fieldTook     = "took_ms"
	fieldFunction = "function"
	fieldID       = "invocation"
)

// logger writes JSON lines to stdout: the host takes stderr for errors.
type logger struct {
	*logrus.Logger
	mu      sync.Mutex
	running map[string]bacvault.Progress
}

func newLog(w io.Writer, level string) *logger {
	l := &logger{Logger: logrus.New(), running: map[string]bacvault.Progress{}}
	l.SetOutput(w)
	l.SetFormatter(&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano})
	if lv, err := logrus.ParseLevel(level); err == nil { // config let nothing else through
		l.SetLevel(lv)
	}
	return l
}

func (l *logger) ready(c config.Config, version, addr string) {
	l.WithFields(logrus.Fields{"version": version, "addr": addr, "servers": c.Servers.Names(), "vault": c.VaultURL(), "consistency": c.Consistency}).Info("ready")
}

// progress logs one line at a stage's start and one at its end.
func (l *logger) progress(p bacvault.Progress) {
	l.mu.Lock()
	if p.Ended {
		delete(l.running, p.Run)
	} else {
		l.running[p.Run] = p
	}
	l.mu.Unlock()
	if p.Ended {
		return
	}
	e := l.of(p)
	switch {
	case p.Working():
		if p.Bytes > 0 {
			e = e.WithField("bytes", p.Bytes)
		}
		e.WithField("note", p.Note).Debug("working")
	case !p.Done:
		e.Info("stage begins")
	case p.Note != "":
		e.WithFields(logrus.Fields{fieldTook: p.Elapsed.Milliseconds(), "error": p.Note}).Warn("stage failed")
	default:
		e.WithField(fieldTook, p.Elapsed.Milliseconds()).Info("stage ended")
	}
}

func (l *logger) of(p bacvault.Progress) *logrus.Entry {
	f := logrus.Fields{fieldRun: p.Run, fieldKind: p.Kind, fieldDB: p.Database.String(), fieldStage: p.Stage, fieldAttempt: p.Attempt, fieldRequest: p.Request}
	if p.Slot != nil {
		f[fieldSlot] = p.Slot.String()
	}
	return l.WithFields(f)
}

// stillWorking is the line a minute of a run that is in a long stage.
func (l *logger) stillWorking() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.running {
		l.of(p).WithFields(logrus.Fields{"since": p.At.UTC().Format(time.RFC3339), "note": p.Note}).Info("still working")
	}
}

func (l *logger) runFailed(d bacvault.Database, request string, attempt int, f *bacvault.Failure) {
	l.WithFields(logrus.Fields{
		fieldDB: d.String(), fieldRequest: request, fieldAttempt: attempt, fieldCode: f.Code, fieldStage: f.Stage, "class": f.Class,
		"exists": f.Exists, "next": f.Next,
	}).Error(f.Detail)
}

func (l *logger) published(e bacvault.Event) {
	l.WithFields(logrus.Fields{"event": e.Type, "id": e.ID, "subject": e.Subject}).Info("event published")
}

func (l *logger) queued(s bacvault.Slot, n int, by string, err error) {
	e := l.WithFields(logrus.Fields{fieldSlot: s.String(), "requests": n, "by": by})
	if err != nil {
		e.WithError(err).Error("queueing the backups failed")
		return
	}
	e.Info("backups queued")
}

func (l *logger) drillsQueued(s bacvault.Slot, choice string, n int, by string, err error) {
	e := l.WithFields(logrus.Fields{fieldSlot: s.String(), "requests": n, "by": by, "backup": choice})
	if err != nil {
		e.WithError(err).Error("queueing the drills failed")
		return
	}
	e.Info("drills queued")
}

func (l *logger) lockLost(queue, id string, err error) {
	l.WithFields(logrus.Fields{"queue": queue, "message": id}).WithError(err).Warn("the message was no longer ours to settle; it comes again and is found done")
}

func (l *logger) failed(function, id string, err error) {
	l.WithFields(logrus.Fields{fieldFunction: function, fieldID: id}).WithError(err).Error("invocation failed; the host takes the message back")
}

func (l *logger) panicked(function, id string, p any, stack []byte) {
	l.WithFields(logrus.Fields{fieldFunction: function, fieldID: id, "stack": string(stack)}).Errorf("panic: %v", p)
}

func (l *logger) unprotected(found []bacvault.Database, err error) {
	for _, d := range found {
		l.WithField(fieldDB, d.String()).Warn("this database is found on the server and not in SQL_DATABASE_NAME: nobody backs it up")
	}
	if err != nil {
		l.WithError(err).Warn("not every server could be asked for its databases")
	}
}

func (l *logger) copiesDropped(dropped []string, err error) {
	for _, name := range dropped {
		l.WithField(fieldDB, name).Warn("a copy that a killed run left was dropped")
	}
	if err != nil {
		l.WithError(err).Warn("not every left copy could be dropped")
	}
}
