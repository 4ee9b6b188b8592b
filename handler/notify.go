package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/sirupsen/logrus"
)

// notify is the function of the events that need a person: each is posted to the webhook. It is the one function whose messages
// the host settles (autoCompleteMessages in its function.json): the copy in a subscription is nobody else's, so 200 completes it,
// and a failure gives it back until the subscription's deliveries are used up and the broker dead-letters it.
func (h *handler) notify(ctx context.Context, inv invocation) (answer, error) {
	m, err := inv.message()
	if err != nil {
		return answer{}, err
	}
	var e bacvault.Event
	if err := json.Unmarshal(m.Body, &e); err != nil || e.Type == "" || e.ID == "" {
		// No wait: nothing makes an event of it later.
		return answer{}, fmt.Errorf("message %s of the topic is no event of ours", m.MessageID)
	}
	posted, err := h.app.Notify(ctx, e)
	h.log.notified(e, m.Count, posted, err) // before the pause below
	switch {
	case errors.Is(err, app.ErrNoWebhook):
		return answer{Logs: []string{err.Error()}}, nil
	case err != nil:
		// The host gives a failed message back at once, so that ten deliveries would be over in seconds: fail slowly.
		pause(ctx, h.retryDelay)
		return answer{}, fmt.Errorf("notify of event %s: %w", e.ID, err)
	}
	return answer{}, nil
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (l *logger) notified(e bacvault.Event, delivery int, posted bool, err error) {
	entry := l.WithFields(logrus.Fields{"event": e.Type, "id": e.ID, "subject": e.Subject, "delivery": delivery})
	switch {
	case errors.Is(err, app.ErrNoWebhook):
		entry.Warn(err.Error() + "; disable the function notify, or set it")
	case err != nil:
		entry.WithError(err).Error("nobody was notified of this event; the message comes again until its deliveries are used up")
	case posted:
		entry.Info("notified")
	default:
		entry.Info("notified before; not again")
	}
}
