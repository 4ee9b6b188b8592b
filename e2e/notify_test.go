package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/servicebus"
	"github.com/bacvault/bacvault/standin/stack"
)

// hookPath holds what makes a webhook's address a secret.
const hookPath = "/services/T0123456/B0123456/aVerySecretWord"

const notifySubscription = "backup-events/subscriptions/notify"

// webhook is a chat's, with a certificate of the stack's authority. It gives the answers in their order, then 200 for ever.
type webhook struct {
	*httptest.Server
	mu      sync.Mutex
	answers []int
	posts   []string // texts, as "status text"
}

func (w *webhook) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	var m struct{ Text string }
	if err != nil || r.URL.Path != hookPath || json.Unmarshal(b, &m) != nil {
		http.Error(rw, "invalid_payload", http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	code := http.StatusOK
	if len(w.answers) > 0 {
		code, w.answers = w.answers[0], w.answers[1:]
	}
	w.posts = append(w.posts, fmt.Sprintf("%d %s", code, m.Text))
	rw.WriteHeader(code)
	fmt.Fprint(rw, "ok")
}

func (w *webhook) got() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.posts)
}

// notified is a local Azure whose vault is not locked, so that each backup fails, and whose backup app has a webhook.
func notified(t *testing.T, settings map[string]string, answers ...int) (*azure, *webhook) {
	t.Helper()
	a := start(t, stack.Options{PolicyDays: 365, Unlocked: true, NoApps: true, Rights: func(table roles.Table) roles.Table {
		return table.With(roles.Backup, roles.BusReceive, "topics/"+notifySubscription)
	}})
	w := &webhook{answers: answers}
	w.Server = httptest.NewUnstartedServer(w)
	var err error
	if w.TLS, err = a.PKI.ServerTLS(); err != nil {
		t.Fatal(err)
	}
	w.StartTLS()
	t.Cleanup(w.Close)
	env := map[string]string{
		"AzureWebJobs_notify_Disabled": "false", "BACVAULT_NOTIFY_URL": w.URL + hookPath,
		"BACVAULT_STATUS_URL": "https://func-local.example/api/status",
	}
	for k, v := range settings {
		env[k] = v
	}
	if a.Backup, err = a.StartBackup(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	return a, w
}

func (a *azure) fail(request string) stack.Event {
	a.t.Helper()
	a.send("backup-requests", request, backupRequest(request, "DB", "", nil))
	return a.event(failed, request)
}

// unshown fails if the webhook's address, but for its host, is in any log, event or file.
func (a *azure) unshown() {
	a.t.Helper()
	seen := map[string]string{"log": a.output.String()}
	for _, e := range a.all.All() {
		seen["event "+e.ID] = string(e.Raw)
	}
	err := filepath.WalkDir(a.dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		seen["file "+p] = string(b)
		return err
	})
	if err != nil {
		a.t.Fatal(err)
	}
	for where, text := range seen {
		for _, piece := range strings.Split(hookPath, "/")[2:] {
			if strings.Contains(text, piece) {
				a.t.Errorf("%s shows the webhook's %s", where, piece)
			}
		}
	}
}

func TestAFailedBackupIsPostedOnce(t *testing.T) {
	a, w := notified(t, nil)
	e := a.fail("r1")
	a.until("the message in the chat", func() bool { return len(w.got()) > 0 })
	a.idle(notifySubscription)
	got := w.got()
	if len(got) != 1 {
		t.Fatalf("%d posts: %q", len(got), got)
	}
	for _, want := range []string{"200 *The backup of " + server + "/DB failed.*", "Code: gate.unlocked", "What exists now: nothing was written to the vault",
		"Next step: Lock the container's", "Event: " + e.ID, "<https://func-local.example/api/status|Status page>"} {
		if !strings.Contains(got[0], want) {
			t.Errorf("the message does not say %q:\n%s", want, got[0])
		}
	}
	if _, _, _, dead, _ := a.Bus.Counts(notifySubscription); dead != 0 {
		t.Errorf("%d dead letters", dead)
	}
	a.unshown()
}

// A webhook that is down holds a message up, and loses none: tried again within the delivery (503), and by the next one (404).
func TestAWebhookThatIsDownGetsItsMessageLater(t *testing.T) {
	a, w := notified(t, map[string]string{"BACVAULT_RETRY_DELAY": "200ms"}, 503, 404)
	a.fail("r1")
	a.until("the message in the chat", func() bool { return len(w.got()) >= 3 })
	a.idle(notifySubscription)
	got := w.got()
	if len(got) != 3 || got[0][:3]+got[1][:3]+got[2][:3] != "503404200" || got[0][3:] != got[2][3:] {
		t.Errorf("posts %q", got)
	}
	a.logged("the webhook answered 404 Not Found")
	a.logged(`"delivery":2`)
	a.unshown()
}

// A webhook that refuses for as long as the deliveries last: the message is among the dead letters then, and the next is posted.
func TestAMessageThatNobodyTakesIsDeadLettered(t *testing.T) {
	a, w := notified(t, map[string]string{"BACVAULT_RETRY_DELAY": "10ms"}, slices.Repeat([]int{http.StatusForbidden}, 10)...)
	a.fail("r1")
	a.until("the dead letter", func() bool {
		_, _, _, dead, ok := a.Bus.Counts(notifySubscription)
		return ok && dead == 1
	})
	a.fail("r2")
	a.until("the next message", func() bool { return len(w.got()) == 11 })
	a.idle(notifySubscription)
	if last := w.got()[10]; !strings.HasPrefix(last, "200 ") || !strings.Contains(last, "Event: r2.") {
		t.Errorf("the last post is %s", last)
	}
	if _, _, _, dead, _ := a.Bus.Counts(notifySubscription); dead != 1 {
		t.Errorf("%d dead letters", dead)
	}
	a.unshown()
}

// Enabled, but without a webhook, the function empties its subscription and says so.
func TestWithoutAWebhookMessagesAreCompleted(t *testing.T) {
	a, w := notified(t, map[string]string{"BACVAULT_NOTIFY_URL": ""})
	a.fail("r1")
	a.logged("nobody is notified")
	a.idle(notifySubscription)
	if _, _, _, dead, _ := a.Bus.Counts(notifySubscription); dead != 0 || len(w.got()) != 0 {
		t.Errorf("%d dead letters, posts %q", dead, w.got())
	}
}

// pageFilters reads the rules that docs/events.md shows.
func pageFilters(t *testing.T) (out []servicebus.Subscription) {
	t.Helper()
	b, err := os.ReadFile("../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)```(sql|hcl)\n(.*?)```").FindAllStringSubmatch(string(b), -1) {
		s := servicebus.Subscription{Name: fmt.Sprint("s", len(out))}
		if s.SQL = m[2]; m[1] == "hcl" {
			s.SQL, s.Correlation = "", map[string]string{}
			for _, p := range regexp.MustCompile(`(?m)^ {4}(\w+)\s*= "([^"]+)"$`).FindAllStringSubmatch(m[2], -1) {
				s.Correlation[p[1]] = p[2]
			}
		}
		out = append(out, s)
	}
	return out
}

// Each rule on the page is taken, and lets those events pass that the page says.
func TestTheFiltersOfTheEventsPage(t *testing.T) {
	filters := pageFilters(t)
	b, err := servicebus.Start(servicebus.Config{AnyKey: true, Entities: servicebus.Entities{Topics: []servicebus.Topic{{Name: "backup-events", Subscriptions: filters}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	client, err := azservicebus.NewClientFromConnectionString(b.ConnectionString(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(ctx)
	sender, err := client.NewSender("backup-events", nil)
	if err != nil {
		t.Fatal(err)
	}
	types := []string{"backup.completed", "backup.failed", "backup.overdue", "restore.completed", "restore.failed", "promote.completed", "promote.failed",
		"drill.passed", "drill.failed", "immutability.drifted", "finding.raised", "finding.cleared", "request.rejected", "request.deadlettered"}
	for _, typ := range types {
		for _, subject := range []string{"sqlsvr-x/DToSDB", "sqlsvr-x/other"} {
			typ := "bacvault." + typ + ".v1"
			if err := sender.SendMessage(ctx, &azservicebus.Message{Subject: &typ, ApplicationProperties: map[string]any{"cloudEvents_type": typ, "cloudEvents_subject": subject}}, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Of 14 types for two databases: needs a person; one database; two types of it; all but five types; two labels; one type; and of one database.
	want := []int{9 * 2, 14, 2, 9 * 2, 2 * 2, 1 * 2, 1}
	if len(filters) != len(want) {
		t.Fatalf("the page shows %d rules, this test knows %d", len(filters), len(want))
	}
	for i, f := range filters {
		if active, _, _, _, ok := b.Counts("backup-events/subscriptions/" + f.Name); !ok || active != want[i] {
			t.Errorf("rule %d takes %d events, want %d: %s%v", i+1, active, want[i], f.SQL, f.Correlation)
		}
	}
}
