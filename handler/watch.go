package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/watch"
	"github.com/sirupsen/logrus"
)

// watch is the timer that looks at everything every 15 minutes. It probes first, so that the look judges today's result.
func (h *handler) watch(ctx context.Context, _ invocation) (answer, error) {
	probed, perr := h.app.ProbeDaily(ctx)
	h.log.probed(probed, perr)
	s, err := h.app.Look(ctx)
	if errors.Is(err, app.ErrLooking) {
		return answer{Logs: []string{err.Error()}}, nil
	}
	h.log.looked(s, err)
	if err != nil {
		return answer{}, fmt.Errorf("look: %w", err)
	}
	return answer{Logs: []string{fmt.Sprintf("%d databases, %d findings, %d could not be read", len(s.Databases), len(s.Findings), len(s.Unread))}}, nil
}

func (l *logger) probed(probed bool, err error) {
	switch {
	case err != nil:
		l.WithError(err).Error("the tamper probe could not be made")
	case probed:
		l.Info("tamper probe made")
	}
}

func (l *logger) looked(s watch.Snapshot, err error) {
	e := l.WithFields(logrus.Fields{"databases": len(s.Databases), "findings": len(s.Findings), "unread": len(s.Unread)})
	if err != nil {
		e.WithError(err).Error("look failed")
		return
	}
	e.Info("looked")
	for _, f := range s.Findings {
		l.WithFields(logrus.Fields{"finding": f.ID, "severity": f.Severity, "since": f.Since, "next": f.Next}).Warn(f.Detail)
	}
}
