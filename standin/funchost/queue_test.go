package funchost_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"github.com/bacvault/bacvault/standin/clock"
	"github.com/bacvault/bacvault/standin/faults"
	"github.com/bacvault/bacvault/standin/pki"
	"github.com/bacvault/bacvault/standin/servicebus"
)

const lockDuration = time.Minute

// busApp is an app with a queue "jobs" on a broker of its own.
type busApp struct {
	*app
	bus  *servicebus.Server
	plan *faults.Plan
}

func newBusApp(t *testing.T) *busApp {
	t.Helper()
	plan, shared := &faults.Plan{}, &clock.Clock{}
	b, err := servicebus.Start(servicebus.Config{AnyKey: true, Clock: shared, Faults: plan, Entities: servicebus.Entities{
		Queues: []servicebus.Queue{{Name: "jobs", LockDuration: lockDuration, MaxDeliveryCount: 3}},
		Topics: []servicebus.Topic{{Name: "news", Subscriptions: []servicebus.Subscription{{Name: "mine", MaxDeliveryCount: 2}}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	a := &busApp{app: newApp(t, map[string]string{"run-job": jobs}), bus: b, plan: plan}
	a.cfg.Clock = shared
	a.cfg.Env["ServiceBusConnection"] = b.ConnectionString()
	return a
}

func (a *busApp) send(bodies ...string) {
	a.t.Helper()
	a.sendTo("jobs", bodies...)
}

func (a *busApp) sendTo(entity string, bodies ...string) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := azservicebus.NewClientFromConnectionString(a.bus.ConnectionString(), nil)
	if err != nil {
		a.t.Fatal(err)
	}
	defer c.Close(ctx)
	s, err := c.NewSender(entity, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	for _, b := range bodies {
		if err := s.SendMessage(ctx, &azservicebus.Message{Body: []byte(b)}, nil); err != nil {
			a.t.Fatal(err)
		}
	}
}

// awaitCounts waits until the queue holds so many active, locked and dead messages.
func (a *busApp) awaitCounts(active, locked, dead int) {
	a.t.Helper()
	a.awaitCountsOf("jobs", active, locked, dead)
}

func (a *busApp) awaitCountsOf(entity string, active, locked, dead int) {
	a.t.Helper()
	var got [3]int
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if got[0], _, got[1], got[2], _ = a.bus.Counts(entity); got == [3]int{active, locked, dead} {
			return
		}
	}
	a.t.Fatalf("%s holds %v active, locked and dead, want %v", entity, got, [3]int{active, locked, dead})
}

// advanceToRenewal moves the clock to where the host asks for its nth renewal. The steps go on because the host may learn
// of the last renewal only after the first of them, and stay within the lock.
func (a *busApp) advanceToRenewal(n int) {
	a.t.Helper()
	for _, step := range []time.Duration{31 * time.Second, 8 * time.Second, 8 * time.Second} {
		a.cfg.Clock.Advance(step)
		for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
			if a.plan.Calls(servicebus.OpRenew) == n {
				return
			}
		}
	}
	a.t.Fatalf("renewal %d did not come", n)
}

// delivery reads body and delivery count out of an envelope.
func delivery(t *testing.T, c call) (body, count string) {
	t.Helper()
	var doc struct {
		Data     struct{ Message []byte }
		Metadata struct{ DeliveryCount string }
	}
	if err := json.Unmarshal(c.Body, &doc); err != nil {
		t.Fatal(err)
	}
	return string(doc.Data.Message), doc.Metadata.DeliveryCount
}

func TestHandlerSettlesByLockToken(t *testing.T) {
	a := newBusApp(t)
	a.behave("complete")
	a.start()
	a.send("one", "two")
	for _, want := range []string{"one", "two"} {
		if body, count := delivery(t, a.next()); body != want || count != "1" {
			t.Errorf("got %q, delivery %s, want %q, 1", body, count, want)
		}
	}
	a.awaitCounts(0, 0, 0)
	a.quiet(50 * time.Millisecond)
}

func TestSuccessWithoutSettlementLeavesTheMessageLocked(t *testing.T) {
	a := newBusApp(t)
	a.start()
	a.send("one")
	a.next()
	a.quiet(100 * time.Millisecond)
	a.awaitCounts(0, 1, 0)
}

func TestAutoCompleteCompletesAfterSuccess(t *testing.T) {
	a := newBusApp(t)
	a.cfg.Env["AzureFunctionsJobHost__extensions__serviceBus__autoCompleteMessages"] = "true"
	a.start()
	a.send("one")
	a.next()
	a.awaitCounts(0, 0, 0)
}

func TestFailureIsRedeliveredAtOnceUntilDeadLettered(t *testing.T) {
	a := newBusApp(t)
	a.behave("status 500")
	a.start()
	a.send("one")
	for _, want := range []string{"1", "2", "3"} {
		if _, count := delivery(t, a.next()); count != want {
			t.Errorf("delivery %s, want %s", count, want)
		}
	}
	a.awaitCounts(0, 0, 1)
	a.quiet(50 * time.Millisecond)
}

func TestKilledHandlerGivesTheMessageBackAtOnce(t *testing.T) {
	a := newBusApp(t)
	a.behave("hang")
	a.start()
	a.send("one")
	a.next()
	a.behave("complete")
	if err := a.host.KillHandler(); err != nil {
		t.Fatal(err)
	}
	// OnLine stays registered: the next handler's calls come the same way.
	if _, count := delivery(t, a.next()); count != "2" {
		t.Errorf("delivery %s, want 2", count)
	}
	a.awaitCounts(0, 0, 0)
}

func TestOneMessageAtATime(t *testing.T) {
	a := newBusApp(t)
	a.behave("hang")
	a.start()
	a.send("one", "two")
	a.next()
	a.quiet(100 * time.Millisecond)
	a.awaitCounts(1, 1, 0) // the second is not even locked
}

func TestLockIsRenewedWhileTheFunctionRuns(t *testing.T) {
	a := newBusApp(t)
	a.cfg.Env["AzureFunctionsJobHost__extensions__serviceBus__maxConcurrentCalls"] = "2"
	a.behave("hang")
	a.start()
	a.send("one")
	a.next()
	for n := 1; n <= 10; n++ { // at least five times as long as the lock
		a.advanceToRenewal(n)
	}
	a.quiet(30 * time.Millisecond)
	a.awaitCounts(0, 1, 0)
}

func TestLockRenewalIsTriedAgainAfterAFault(t *testing.T) {
	a := newBusApp(t)
	a.behave("hang")
	a.cfg.Env["AzureFunctionsJobHost__extensions__serviceBus__clientRetryOptions__delay"] = "00:00:00.0100000"
	a.start()
	a.send("one")
	a.next()
	a.plan.Add(faults.Fault{Op: servicebus.OpRenew, Do: servicebus.DoCut})
	a.cfg.Clock.Advance(lockDuration/2 + time.Second)
	eventually(t, "the host renews again", func() bool { return a.plan.Calls(servicebus.OpRenew) == 2 })
	a.advanceToRenewal(3)
	a.awaitCounts(0, 1, 0)
}

func TestMessageComesAgainInParallelWhenRenewalEnds(t *testing.T) {
	a := newBusApp(t)
	a.cfg.Env["AzureFunctionsJobHost__extensions__serviceBus__maxConcurrentCalls"] = "2"
	a.cfg.Env["AzureFunctionsJobHost__extensions__serviceBus__maxAutoLockRenewalDuration"] = "00:00:45"
	a.behave("hang")
	a.start()
	a.send("one")
	a.next()
	a.advanceToRenewal(1)
	a.cfg.Clock.Advance(lockDuration/2 + time.Second)
	a.quiet(30 * time.Millisecond)
	a.cfg.Clock.Advance(lockDuration/2 + time.Second)
	if _, count := delivery(t, a.next()); count != "2" {
		t.Errorf("delivery %s, want 2, beside the first", count)
	}
}

func TestCloseGivesRunningMessagesBack(t *testing.T) {
	a := newBusApp(t)
	a.behave("hang")
	a.start()
	a.send("one")
	a.next()
	if err := a.host.Close(); err != nil {
		t.Fatal(err)
	}
	a.awaitCounts(1, 0, 0)
}

func TestBrokenConnectionIsMended(t *testing.T) {
	a := newBusApp(t)
	a.cfg.Env["AzureFunctionsJobHost__extensions__serviceBus__clientRetryOptions__delay"] = "00:00:00.0200000"
	a.behave("complete")
	a.start()
	a.send("one")
	a.next()
	a.awaitCounts(0, 0, 0)
	a.bus.DropConnections()
	a.send("two")
	if body, _ := delivery(t, a.next()); body != "two" {
		t.Errorf("got %q", body)
	}
}

// token is a credential whose token is a fixed text.
type token string

func (c token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(c), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func TestIdentityOverTLS(t *testing.T) {
	ca, err := pki.New(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	serverTLS, err := ca.ServerTLS()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"port in the namespace", "endpoint"} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, map[string]string{"run-job": jobs})
			b, err := servicebus.Start(servicebus.Config{TLS: serverTLS, AnyKey: true, Entities: servicebus.Entities{Queues: []servicebus.Queue{{Name: "jobs"}}},
				Authenticate: func(tok, _ string) (string, error) { return tok, nil },
				Allow:        func(who, _, scope string) bool { return who == "host" && scope == "queues/jobs" }})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := b.Close(); err != nil {
					t.Error(err)
				}
			})
			a.cfg.Env["ServiceBusConnection__fullyQualifiedNamespace"] = b.Addr()
			a.cfg.BusTLS, a.cfg.Credential = ca.ClientTLS(), token("host")
			if name == "endpoint" {
				a.cfg.Namespace, a.cfg.BusEndpoint = "127.0.0.1", b.Addr()
			}
			a.start()
			sendTLS(t, b.Addr(), ca)
			c := a.next()
			if body, _ := delivery(t, c); body != "over tls" || !strings.Contains(string(c.Body), `"FullyQualifiedNamespace":"127.0.0.1"`) {
				t.Errorf("got %s", c.Body)
			}
		})
	}
}

func sendTLS(t *testing.T, addr string, ca *pki.Authority) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := azservicebus.NewClient("127.0.0.1", token("host"), &azservicebus.ClientOptions{TLSConfig: ca.ClientTLS(), CustomEndpoint: addr})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	s, err := c.NewSender("jobs", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SendMessage(ctx, &azservicebus.Message{Body: []byte("over tls")}, nil); err != nil {
		t.Fatal(err)
	}
}
