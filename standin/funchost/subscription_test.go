package funchost_test

import "testing"

// A subscription is listened to as a queue is, and function.json may say over host.json that the host completes.
func TestSubscriptionTrigger(t *testing.T) {
	a := newBusApp(t)
	a.write("read-news/function.json", `{"bindings":[{"type":"serviceBusTrigger","direction":"in","name":"message","topicName":"news","subscriptionName":"%SUB%",
"connection":"ServiceBusConnection","dataType":"binary","autoCompleteMessages":true}]}`)
	a.cfg.Env["SUB"] = "mine"
	a.start()
	a.sendTo("news", "good")
	if body, count := delivery(t, a.next()); body != "good" || count != "1" {
		t.Errorf("got %q, delivery %s", body, count)
	}
	a.awaitCountsOf("news/subscriptions/mine", 0, 0, 0)
	a.behave("status 500")
	a.sendTo("news", "bad")
	for _, want := range []string{"1", "2"} {
		if body, count := delivery(t, a.next()); body != "bad" || count != want {
			t.Errorf("got %q, delivery %s, want %s", body, count, want)
		}
	}
	a.awaitCountsOf("news/subscriptions/mine", 0, 0, 1)
}
