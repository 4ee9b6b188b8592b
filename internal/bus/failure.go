package bus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// What the namespace answered, where a person must know. Each stands beside the library's own error.
var (
	// ErrDenied says that the identity lacks the right, or that nobody knows the identity.
	ErrDenied = errors.New("the identity may not do that in Service Bus")
	// ErrNoEntity says that there is no such queue, topic or subscription.
	ErrNoEntity = errors.New("the Service Bus namespace has no such queue, topic or subscription")
	// ErrAway says that the namespace was not reached, or did not answer in time: a passing fault.
	ErrAway = errors.New("the Service Bus namespace does not answer")
)

// explain classes an error of the library and says it in one line: its own text holds a whole AMQP error.
func explain(ctx context.Context, doing string, err error) error {
	var sb *azservicebus.Error
	var n net.Error
	var kind error
	switch {
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", doing, err)
	case errors.As(err, &sb) && sb.Code == azservicebus.CodeUnauthorizedAccess:
		kind = ErrDenied
	case errors.As(err, &sb) && sb.Code == azservicebus.CodeNotFound:
		kind = ErrNoEntity
	case errors.As(err, &sb) && (sb.Code == azservicebus.CodeConnectionLost || sb.Code == azservicebus.CodeTimeout),
		errors.Is(err, context.DeadlineExceeded), errors.As(err, &n):
		kind = ErrAway
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
	return &answer{doing: doing, kind: kind, err: err}
}

// answer is an error of the namespace in one line.
type answer struct {
	doing     string
	kind, err error
}

// mostWords is how much of the library's text is told.
const mostWords = 300

func (a *answer) Error() string {
	text := strings.Join(strings.Fields(a.err.Error()), " ")
	// go-amqp prints its error as a struct; what the service says stands in one field of it.
	if _, after, ok := strings.Cut(text, "Description: "); ok {
		text, _, _ = strings.Cut(after, ", Info: ")
	}
	if r := []rune(text); len(r) > mostWords {
		text = string(r[:mostWords]) + "…"
	}
	return fmt.Sprintf("%s: %v (%s)", a.doing, a.kind, text)
}

// Unwrap gives what the namespace meant, and the library's own error.
func (a *answer) Unwrap() []error { return []error{a.kind, a.err} }
