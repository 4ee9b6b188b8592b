// Package notify tells a chat, through its webhook, of the events that need a person.
package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// The forms of a message.
const (
	Slack = "slack" // also what Mattermost, Rocket.Chat and others take as Slack-compatible
	Teams = "teams" // a Power Automate workflow; the Office 365 connectors, which took MessageCards, are retired
)

// The bounds of one Post.
const (
	tryLimit    = 30 * time.Second
	tries       = 4
	firstWait   = time.Second
	longestWait = time.Minute // a webhook that asks for more is asked again by a later delivery
	remembered  = 1000
)

// Config says where messages go. Whoever holds URL can post in the chat: it is a secret.
type Config struct {
	URL       string
	Format    string
	StatusURL string // of the status page; empty: no link

	Transport http.RoundTripper // nil: the library's, which takes a proxy from the environment
	// Wait is for tests; nil waits by the machine's time. It ends early, with an error, when the context does.
	Wait func(context.Context, time.Duration) error
}

// Notifier posts messages. It is safe for concurrent use.
type Notifier struct {
	// The URL lies in these closures alone, so that no print of a Notifier shows it.
	request func(ctx context.Context, body []byte) (*http.Request, error)
	reveals func(text string) bool

	encode func(words) ([]byte, error)
	status string
	client *http.Client
	wait   func(context.Context, time.Duration) error

	mu     sync.Mutex
	posted map[string]bool
	order  []string // of posted, oldest first
}

// New makes a Notifier. Its errors do not show the URL.
func New(c Config) (*Notifier, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("the webhook's address is no https URL")
	}
	encode, ok := map[string]func(words) ([]byte, error){Slack: slack, Teams: teams}[c.Format]
	if !ok {
		return nil, fmt.Errorf("the webhook's format %q is neither %s nor %s", c.Format, Slack, Teams)
	}
	n := &Notifier{encode: encode, status: c.StatusURL, wait: c.Wait, posted: map[string]bool{}, reveals: revealer(u)}
	n.request = func(ctx context.Context, body []byte) (*http.Request, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
		if err != nil {
			return nil, errors.New("the webhook's address can't be posted to")
		}
		r.Header.Set("Content-Type", "application/json")
		return r, nil
	}
	if n.wait == nil {
		n.wait = wait
	}
	// A redirect would carry the message, and with a 307 its author's trust, to an address that nobody set.
	n.client = &http.Client{Transport: c.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return n, nil
}

// Post puts one event into the chat; posted is false for an event that this Notifier has put there before. A passing fault is
// tried again a few times, when the webhook asks for it (Retry-After). An answer that is lost after the chat took the message,
// and a process that ends between two deliveries of one event, make a message come twice; nothing can rule that out.
func (n *Notifier) Post(ctx context.Context, e bacvault.Event) (posted bool, err error) {
	if n.knows(e.ID) {
		return false, nil
	}
	body, err := n.encode(say(e, n.status))
	if err != nil {
		return false, fmt.Errorf("write the message of event %s: %w", e.ID, err)
	}
	pause := firstWait
	for try := 1; ; try++ {
		after, passing, err := n.try(ctx, body)
		if err == nil {
			n.remember(e.ID)
			return true, nil
		}
		pause = max(pause, after)
		if !passing || try == tries || pause > longestWait || ctx.Err() != nil {
			return false, fmt.Errorf("try %d of at most %d: %w", try, tries, err)
		}
		if werr := n.wait(ctx, pause); werr != nil {
			return false, fmt.Errorf("%w, before another try: %w", err, werr)
		}
		pause *= 2
	}
}

// try posts once. after is the wait that the webhook asks for.
func (n *Notifier) try(ctx context.Context, body []byte) (after time.Duration, passing bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	r, err := n.request(ctx, body)
	if err != nil {
		return 0, false, err
	}
	resp, err := n.client.Do(r)
	if err != nil {
		return 0, true, n.transportFault(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		read(resp.Body) // so that the connection can serve the next message
		return 0, false, nil
	}
	return retryAfter(resp.Header.Get("Retry-After"), time.Now()), passes(resp.StatusCode), n.refusal(resp)
}

// transportFault leaves out what net/http puts around a fault: method and URL.
func (n *Notifier) transportFault(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the webhook did not answer within %s: %w", tryLimit, context.DeadlineExceeded)
	case n.reveals(err.Error()):
		return errors.New("the webhook can't be reached; the fault's text holds its address and is left out")
	}
	return fmt.Errorf("the webhook can't be reached: %w", err)
}

// word is how Slack names what is wrong: invalid_payload, no_service, channel_is_archived.
var word = regexp.MustCompile(`^[a-z][a-z_]{2,39}$`)

// refusal quotes no more of an answer than such a word.
func (n *Notifier) refusal(resp *http.Response) error {
	text := ""
	said := strings.TrimSpace(read(resp.Body))
	if word.MatchString(said) && !n.reveals(said) {
		text = ": " + said
	}
	if resp.StatusCode/100 == 3 {
		text = "; redirects are not followed"
	}
	return fmt.Errorf("the webhook answered %d %s%s", resp.StatusCode, http.StatusText(resp.StatusCode), text)
}

// read takes no more of an answer than is of use. A fault of it says nothing that the status did not.
func read(body io.Reader) string {
	b, _ := io.ReadAll(io.LimitReader(body, 4096))
	return string(b)
}

// passes tells the answers that another try may change.
func passes(status int) bool {
	return status >= 500 || status == http.StatusRequestTimeout || status == http.StatusTooEarly || status == http.StatusTooManyRequests
}

func (n *Notifier) knows(id string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.posted[id]
}

// remember forgets the oldest when it holds enough: a redelivery comes within minutes.
func (n *Notifier) remember(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.posted[id] {
		return
	}
	n.posted[id], n.order = true, append(n.order, id)
	if len(n.order) > remembered {
		delete(n.posted, n.order[0])
		n.order = n.order[1:]
	}
}
