package bus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

func TestAnswersOfTheNamespaceAreToldApartInOneLine(t *testing.T) {
	own := &azservicebus.Error{Code: azservicebus.CodeUnauthorizedAccess}
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"no right", own, ErrDenied},
		{"no such entity", fmt.Errorf("attach: %w", &azservicebus.Error{Code: azservicebus.CodeNotFound}), ErrNoEntity},
		{"cut", &azservicebus.Error{Code: azservicebus.CodeConnectionLost}, ErrAway},
		{"too late", context.DeadlineExceeded, ErrAway},
		{"not reached", &net.OpError{Op: "dial", Err: errors.New("connection refused")}, ErrAway},
		{"something else", errors.New("x"), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := explain(t.Context(), "peek at q", c.err)
			for _, kind := range []error{ErrDenied, ErrNoEntity, ErrAway} {
				if errors.Is(got, kind) != (kind == c.want) {
					t.Errorf("%v is %v: %t", got, kind, errors.Is(got, kind))
				}
			}
			if !errors.Is(got, c.err) || !strings.HasPrefix(got.Error(), "peek at q: ") || strings.Contains(got.Error(), "\n") {
				t.Errorf("it says %q", got)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := explain(ctx, "peek at q", context.Canceled); !errors.Is(got, context.Canceled) || errors.Is(got, ErrAway) {
		t.Errorf("a cancelled call is told as %v", got)
	}
}

func TestWhatTheServiceSaysIsTakenOutOfTheLibrarysText(t *testing.T) {
	long := "(unauthorized): *Error{Condition: amqp:unauthorized-access, Description: 'Send' claim(s)\n are required., Info: map[]}"
	for text, want := range map[string]string{
		long:                     "send: " + ErrDenied.Error() + " ('Send' claim(s) are required.)",
		"plain":                  "send: " + ErrDenied.Error() + " (plain)",
		strings.Repeat("ж", 400): "send: " + ErrDenied.Error() + " (" + strings.Repeat("ж", 300) + "…)",
	} {
		if got := (&answer{"send", ErrDenied, errors.New(text)}).Error(); got != want {
			t.Errorf("%q", got)
		}
	}
}
