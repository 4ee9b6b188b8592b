package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/bus"
	"github.com/bacvault/bacvault/standin/servicebus"
)

// A database of 5,000 tables ends in a published event, at a Service Bus that takes messages of 256 KB as the Standard one does; with
// the list as it is the same event is refused.
func TestEventsOfFiveThousandTablesArePublished(t *testing.T) {
	s, err := servicebus.Start(servicebus.Config{Entities: servicebus.DefaultEntities(), AnyKey: true, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	b, err := bus.New(bus.Config{ConnectionString: s.ConnectionString()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close(t.Context()) }()

	var d bacvault.EventData
	for i := range int64(5000) {
		d.Tables = append(d.Tables, bacvault.TableCheck{Table: bacvault.Table{Schema: "dbo", Name: fmt.Sprintf("%030d", i)}, Source: &i, Archive: &i, Restored: &i})
	}
	d.Manifest = "srv/db/x.manifest.json"
	for i, kind := range []bacvault.EventType{bacvault.BackupCompleted, bacvault.RestoreCompleted} {
		e := bacvault.NewEvent(kind, "id", i, "source", "srv/db", time.Now(), d)
		if err := b.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		e.ID, e.Data = "whole", d
		if err := b.Publish(t.Context(), e); !errors.Is(err, azservicebus.ErrMessageTooLarge) {
			t.Errorf("the whole list is taken, so nothing is shown here: %v", err)
		}
	}
	got, err := b.PeekEvents(t.Context(), "all", 0, 10)
	if err != nil || len(got) != 2 {
		t.Fatalf("%d events, %v", len(got), err)
	}
	for _, p := range got {
		var e bacvault.Event
		if err := json.Unmarshal(p.Body, &e); err != nil {
			t.Fatal(err)
		}
		if len(e.Data.Omitted) != 1 || len(e.Data.Tables)+e.Data.Omitted[0].Count != 5000 || len(e.Data.Tables) < 1000 {
			t.Errorf("%d tables, left out %+v", len(e.Data.Tables), e.Data.Omitted)
		}
	}
}
