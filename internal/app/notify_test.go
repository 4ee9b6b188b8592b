package app

import (
	"errors"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/config"
	"github.com/google/go-cmp/cmp"
)

func TestWithoutAWebhookNobodyIsNotified(t *testing.T) {
	n, err := newNotifier(config.Config{NotifyFormat: "slack"})
	if n != nil || err != nil {
		t.Fatalf("%v, %v", n, err)
	}
	if posted, err := (&App{}).Notify(t.Context(), bacvault.Event{}); posted || !errors.Is(err, ErrNoWebhook) {
		t.Errorf("posted %t, %v", posted, err)
	}
	if n, err := newNotifier(config.Config{NotifyURL: "https://chat.example/x", NotifyFormat: "teams"}); n == nil || err != nil {
		t.Errorf("%v, %v", n, err)
	}
}

func TestChildrenDoNotInheritTheWebhook(t *testing.T) {
	environ := []string{"PATH=/bin", "BACVAULT_NOTIFY_URL=https://chat.example/secret", "BACVAULT_NOTIFY_FORMAT=teams"}
	if d := cmp.Diff([]string{"PATH=/bin", "BACVAULT_NOTIFY_FORMAT=teams"}, withoutWebhook(environ)); d != "" || len(environ) != 3 {
		t.Error(d)
	}
}
