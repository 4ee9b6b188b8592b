package servicebus_test

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"github.com/bacvault/bacvault/standin/servicebus"
)

func TestCommand(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, in := io.Pipe()
	done := make(chan error, 1)
	serving, stop := context.WithCancel(ctx)
	go func() { done <- servicebus.Command(serving, []string{"--plain", "--listen", "127.0.0.1:0"}, in) }()
	line, err := bufio.NewReader(out).ReadString('\n')
	check(t, err)
	connection, ok := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if !ok {
		t.Fatalf("printed %q", line)
	}
	c, err := azservicebus.NewClientFromConnectionString(connection, nil)
	check(t, err)
	s, err := c.NewSender("restore-requests", nil)
	check(t, err)
	check(t, s.SendMessage(ctx, &azservicebus.Message{Body: []byte("x")}, nil))
	check(t, c.Close(ctx))
	stop()
	check(t, <-done)
}

func TestCommandRefuses(t *testing.T) {
	for _, args := range [][]string{nil, {"--plain", "more"}, {"--nonsense"}, {"--plain", "--listen", "127.0.0.1:nowhere"}} {
		var out strings.Builder
		if err := servicebus.Command(t.Context(), args, &out); err == nil || strings.Contains(out.String(), "ready") {
			t.Errorf("%q: %v, printed %q", args, err, out.String())
		}
	}
}
