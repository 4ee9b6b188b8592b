package bus

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

func TestMessageCarriesItsIDAndItsTime(t *testing.T) {
	at := time.Date(2026, 11, 24, 3, 0, 0, 0, time.FixedZone("east", 3600))
	m := Message{ID: "r-1.2.0", Body: []byte("{}"), At: at}.message()
	if *m.MessageID != "r-1.2.0" || string(m.Body) != "{}" || *m.ContentType != "application/json" {
		t.Errorf("the message is %+v", m)
	}
	if !m.ScheduledEnqueueTime.Equal(at) || m.ScheduledEnqueueTime.Location() != time.UTC {
		t.Errorf("it comes at %s", m.ScheduledEnqueueTime)
	}
	if m := (Message{ID: "x"}).message(); m.ScheduledEnqueueTime != nil {
		t.Errorf("without a time it comes at %s, not at once", m.ScheduledEnqueueTime)
	}
}

func TestOnlyALostLockIsErrLockLost(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want bool
	}{
		{"lost", &azservicebus.Error{Code: azservicebus.CodeLockLost}, true},
		{"lost, wrapped", fmt.Errorf("renew: %w", &azservicebus.Error{Code: azservicebus.CodeLockLost}), true},
		{"refused", &azservicebus.Error{Code: azservicebus.CodeUnauthorizedAccess}, false},
		{"cut", &azservicebus.Error{Code: azservicebus.CodeConnectionLost}, false},
		{"another error", errors.New("x"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := lockLost(c.err)
			if errors.Is(got, ErrLockLost) != c.want || !errors.Is(got, c.err) {
				t.Errorf("%v", got)
			}
		})
	}
}

func TestSettlingNeedsALockToken(t *testing.T) {
	b, err := New(Config{ConnectionString: "Endpoint=sb://127.0.0.1;SharedAccessKeyName=n;SharedAccessKey=k;UseDevelopmentEmulator=true"})
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"", "x"} {
		if err := b.Complete(t.Context(), "backup-requests", token); err == nil || !strings.Contains(err.Error(), "lock token") {
			t.Errorf("error %v for the token %q", err, token)
		}
	}
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestDeadLettersWordsFitServiceBus(t *testing.T) {
	for _, c := range []struct {
		name, in string
		size     int
	}{
		{"short", "as it is", 8},
		{"at the limit", strings.Repeat("x", 4096), 4096},
		{"beyond it", strings.Repeat("x", 4097), 4096},
		{"beyond it in the middle of a character", strings.Repeat("ж", 4096), 4095},
	} {
		t.Run(c.name, func(t *testing.T) {
			opts := words("reason", c.in)
			if *opts.Reason != "reason" {
				t.Errorf("the reason is %q", *opts.Reason)
			}
			got := *opts.ErrorDescription
			if len(got) != c.size || !utf8.ValidString(got) {
				t.Errorf("%d bytes, valid %t", len(got), utf8.ValidString(got))
			}
			if len(c.in) > 4096 != strings.HasSuffix(got, "…") {
				t.Errorf("it ends in %q", got[len(got)-4:])
			}
		})
	}
}
