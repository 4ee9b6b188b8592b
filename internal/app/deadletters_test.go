package app

import (
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/bus"
)

func TestDeadLetterIsSentAgainAsTheNextAttempt(t *testing.T) {
	at := time.Date(2026, 11, 24, 2, 0, 5, 0, time.UTC)
	for _, c := range []struct {
		name, queue, body string
		id                string // of the new message; empty: refused
	}{
		{"a retried backup", bacvault.BackupQueue, `{"schema":"bacvault.backup-request.v1","id":"b1","attempt":4,"server":"s","database":"d","slot":"2026-11-24T02:00:00Z"}`, "b1.5.0"},
		{"a person's, whose runs died", bacvault.BackupQueue, `{"schema":"bacvault.backup-request.v1","server":"s","database":"d"}`, "m1.2.0"},
		{"one that waited", bacvault.BackupQueue, `{"schema":"bacvault.backup-request.v1","id":"b1","attempt":1,"deferrals":3,"server":"s","database":"d"}`, "b1.2.3"},
		{"a restore", bacvault.RestoreQueue, `{"schema":"bacvault.restore-request.v1","id":"r1","server":"s","database":"d"}`, "r1.2.0"},
		{"a promotion", bacvault.RestoreQueue, `{"schema":"bacvault.restore-request.v1","id":"p1","kind":"promote","action":"plan","server":"s","database":"d"}`, "p1.2.0"},
		{"a restore among backups", bacvault.BackupQueue, `{"schema":"bacvault.restore-request.v1","id":"r1","server":"s","database":"d"}`, ""},
		{"no JSON", bacvault.BackupQueue, `hello`, ""},
		{"an unknown field", bacvault.RestoreQueue, `{"schema":"bacvault.restore-request.v1","id":"r1","server":"s","database":"d","password":"x"}`, ""},
		{"another queue", "other", `{"schema":"bacvault.backup-request.v1","id":"b1","server":"s","database":"d"}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := bus.DeadLetter{Queue: c.queue, ID: "m1", Enqueued: at, Body: []byte(c.body)}
			e, m, err := again(d)
			l := letter(d)
			if c.id == "" {
				if err == nil || l.Understood || l.Request != "" {
					t.Errorf("%+v is sent again, and told as %+v", m, l)
				}
				return
			}
			if err != nil || m.ID != c.id || l.Request != e.ID || l.Attempt != e.Attempt-1 || !l.Understood || l.Name != "d" {
				t.Fatalf("message %s, error %v, told as %+v", m.ID, err, l)
			}
			if c.queue != bacvault.BackupQueue {
				return
			}
			r, err := bacvault.ParseBackupRequest(m.Body, bacvault.Delivery{MessageID: "other", Enqueued: at.Add(time.Hour)})
			if err != nil || r.MessageID() != c.id || r.Slot.Time().After(at) {
				t.Errorf("the new body is %s: %v", m.Body, err)
			}
		})
	}
}
