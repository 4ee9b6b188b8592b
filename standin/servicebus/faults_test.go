package servicebus_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"github.com/bacvault/bacvault/standin/faults"
	"github.com/bacvault/bacvault/standin/servicebus"
)

func faultyBus(t *testing.T) (*bus, *faults.Plan) {
	t.Helper()
	plan := &faults.Plan{}
	b := plainBus(t, func(c *servicebus.Config) { c.Faults = plan })
	t.Cleanup(func() {
		if left := plan.Unfired(); len(left) > 0 {
			t.Errorf("faults that never fired: %v", left)
		}
	})
	return b, plan
}

// What a sender that tries again leaves behind: a lost reply is a duplicate, unless the queue detects it.
func TestFaultsOfSend(t *testing.T) {
	for _, tc := range []struct {
		name, queue string
		fault       faults.Fault
		left        int
	}{
		{"busy", "requests", faults.Fault{Do: servicebus.DoError, Code: "com.microsoft:server-busy"}, 1},
		{"forced detach", "requests", faults.Fault{Do: servicebus.DoError, Code: "amqp:link:detach-forced"}, 1},
		{"cut", "requests", faults.Fault{Do: servicebus.DoCut}, 1},
		{"lost reply", "requests", faults.Fault{Do: servicebus.DoLoseReply}, 2},
		{"lost reply, duplicates detected", "backup-requests", faults.Fault{Do: servicebus.DoLoseReply}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b, plan := faultyBus(t)
			tc.fault.Op, tc.fault.Nth = servicebus.OpSend, 2
			plan.Add(tc.fault)
			sender := b.sender(tc.queue)
			check(t, sender.SendMessage(b.ctx, &azservicebus.Message{MessageID: ptr("first"), Body: []byte("x")}, nil))
			check(t, sender.SendMessage(b.ctx, &azservicebus.Message{MessageID: ptr("second"), Body: []byte("x")}, nil))
			b.wantCounts(tc.queue, counts{Active: 1 + tc.left})
		})
	}
}

func TestFaultsOfSchedule(t *testing.T) {
	b, plan := faultyBus(t)
	plan.Add(faults.Fault{Op: servicebus.OpSend, Do: servicebus.DoLoseReply})
	_, err := b.sender("backup-requests").ScheduleMessages(b.ctx, []*azservicebus.Message{{MessageID: ptr("retry"), Body: []byte("x")}}, time.Now().Add(time.Hour), nil)
	check(t, err)
	b.wantCounts("backup-requests", counts{Scheduled: 1})
	if n := plan.Calls(servicebus.OpSend); n != 2 {
		t.Fatalf("%d schedule requests, want 2: the first answer was lost", n)
	}
}

// After a settlement that brought no answer the queue tells whether it took effect; the caller cannot.
func TestFaultsOfSettle(t *testing.T) {
	for _, way := range []string{"on its link", "by lock token"} {
		for _, tc := range []struct {
			name  string
			fault faults.Fault
			left  counts
			lost  bool
		}{
			{"lost reply", faults.Fault{Do: servicebus.DoLoseReply}, counts{}, false},
			{"cut", faults.Fault{Do: servicebus.DoCut}, counts{Locked: 1}, false},
			{"lock lost", faults.Fault{Do: servicebus.DoError, Code: "com.microsoft:message-lock-lost"}, counts{Locked: 1}, true},
		} {
			t.Run(tc.name+" "+way, func(t *testing.T) {
				t.Parallel()
				b, plan := faultyBus(t)
				b.send("requests", &azservicebus.Message{Body: []byte("x")})
				r := b.receiver("requests")
				m := b.receive(r)
				if way == "by lock token" {
					m = byToken(m)
				}
				tc.fault.Op = servicebus.OpSettle
				plan.Add(tc.fault)
				// The client waits about four seconds before it tries again, whatever its retry options are.
				ctx, cancel := context.WithTimeout(b.ctx, time.Second)
				defer cancel()
				err := r.CompleteMessage(ctx, m, nil)
				if tc.lost {
					wantCode(t, err, azservicebus.CodeLockLost)
				} else if err == nil {
					t.Fatal("complete said nothing of the fault")
				}
				b.wantCounts("requests", tc.left)
			})
		}
	}
}

func TestFaultsOfRenew(t *testing.T) {
	b, plan := faultyBus(t)
	b.send("requests", &azservicebus.Message{Body: []byte("x")})
	r := b.receiver("requests")
	m := b.receive(r)
	before := *m.LockedUntil
	plan.Add(
		faults.Fault{Op: servicebus.OpRenew, Do: servicebus.DoLoseReply},
		faults.Fault{Op: servicebus.OpRenew, Nth: 2, Do: servicebus.DoCut},
		faults.Fault{Op: servicebus.OpRenew, Nth: 4, Do: servicebus.DoError, Code: "com.microsoft:message-lock-lost"},
	)
	b.clock.Advance(10 * time.Second)
	check(t, r.RenewMessageLock(b.ctx, m, nil))
	if d := m.LockedUntil.Sub(before).Round(time.Second); d != 10*time.Second {
		t.Fatalf("the lock was moved by %s", d)
	}
	wantCode(t, r.RenewMessageLock(b.ctx, m, nil), azservicebus.CodeLockLost)
	check(t, r.CompleteMessage(b.ctx, byToken(m), nil))
}

func TestFaultsOfAttach(t *testing.T) {
	for _, do := range []faults.Fault{{Do: servicebus.DoCut}, {Do: servicebus.DoLoseReply}, {Do: servicebus.DoError, Code: "com.microsoft:server-busy"}} {
		t.Run(do.Do, func(t *testing.T) {
			b, plan := faultyBus(t)
			do.Op = servicebus.OpAttach
			plan.Add(do)
			b.send("requests", &azservicebus.Message{Body: []byte("x")})
			b.wantCounts("requests", counts{Active: 1})
		})
	}
}

// A word that the stand-in does not know must not pass for a fault that happened.
func TestUnknownFaultIsLoud(t *testing.T) {
	for _, f := range []faults.Fault{{Do: "explode"}, {Do: servicebus.DoError}} {
		b, plan := faultyBus(t)
		f.Op = servicebus.OpSend
		plan.Add(f)
		err := b.sender("requests").SendMessage(b.ctx, &azservicebus.Message{Body: []byte("x")}, nil)
		if err == nil || !strings.Contains(err.Error(), "fault plan") {
			t.Errorf("%q: %v", f.Do, err)
		}
		b.wantCounts("requests", counts{})
	}
}

// A cut right after a batch was accepted loses the whole answer and nothing of the batch.
func TestBatchIsTakenWhole(t *testing.T) {
	b, plan := faultyBus(t)
	plan.Add(faults.Fault{Op: servicebus.OpSend, Do: servicebus.DoLoseReply})
	sender := b.sender("backup-requests")
	batch, err := sender.NewMessageBatch(b.ctx, nil)
	check(t, err)
	for _, id := range []string{"a", "b", "c"} {
		check(t, batch.AddMessage(&azservicebus.Message{MessageID: ptr(id), Body: []byte("x")}, nil))
	}
	check(t, sender.SendMessageBatch(b.ctx, batch, nil))
	b.wantCounts("backup-requests", counts{Active: 3})
}
