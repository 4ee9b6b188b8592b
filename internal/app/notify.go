package app

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/config"
	"github.com/bacvault/bacvault/internal/notify"
)

// ErrNoWebhook says that there is nobody to notify.
var ErrNoWebhook = errors.New("BACVAULT_NOTIFY_URL is not set: nobody is notified")

// newNotifier gives nil where no webhook is set.
func newNotifier(c config.Config) (*notify.Notifier, error) {
	if c.NotifyURL == "" {
		return nil, nil
	}
	return notify.New(notify.Config{URL: c.NotifyURL.Reveal(), Format: c.NotifyFormat, StatusURL: c.StatusURL})
}

// Notify posts an event to the webhook; posted is false for one that was posted before.
func (a *App) Notify(ctx context.Context, e bacvault.Event) (posted bool, err error) {
	if a.notifier == nil {
		return false, ErrNoWebhook
	}
	return a.notifier.Post(ctx, e)
}

// withoutWebhook is the environment that a child inherits: the webhook's address is none of its business.
func withoutWebhook(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(kv string) bool { return strings.HasPrefix(kv, "BACVAULT_NOTIFY_URL=") })
}
