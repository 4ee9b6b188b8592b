package main

import (
	"net/http"
	"strings"
	"testing"
)

// Service Bus takes no MessageId beyond 128 characters: an event with a longer id would never be published, and the
// rejected message would come again until the broker puts it aside without a word.
func TestRejectionOfALongMessageIDCanBePublished(t *testing.T) {
	long := strings.Repeat("x", 128)
	for _, id := range []string{long, ""} {
		a := &fakeApp{}
		h, _ := newHandler(a)
		payload := strings.Replace(delivery(t, "{"), `\"m-1\"`, `\"`+id+`\"`, 1)
		if code, _ := post(t, h, "backup", payload); code != http.StatusOK || len(a.events) != 1 {
			t.Fatalf("%d, %d events", code, len(a.events))
		}
		if got := a.events[0].ID; len(got) > 128 || !strings.Contains(got, lockToken) {
			t.Errorf("the event's id has %d characters: %s", len(got), got)
		}
	}
}
