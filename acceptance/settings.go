package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/config"
)

// unlockedReason stands in the manifests of this run.
const unlockedReason = "acceptance run on an unlocked one-day policy"

// acceptance is one run at work.
type acceptance struct {
	o       options
	environ []string
	cfg     config.Config
	words   io.Writer // what a person reads meanwhile
	began   time.Time
	stamp   string // 14 digits, in every name that this run makes

	app    *app.App // wired for the copy that stands for the live database
	parts  app.Parts
	source string // the owner's database
	live   string // our copy of it, which all that follows treats as the live database
	size   size
	canary string // our blob under attack
	// foreign are databases that had a name of this run's before it could take it.
	foreign map[string]bool
	late    time.Duration // see lateLook

	mu      sync.Mutex
	stages  []Stage // of the step that runs
	sent    statements
	rep     *Report
	rows    bacvault.Rows // of the copy
	slot    bacvault.Slot
	blob    string
	answers answers
}

type size struct {
	edition, objective string
	bytes              int64
}

// begin reads the settings and refuses whatever would leave something behind or cost much. It only reads.
func begin(ctx context.Context, o options, environ []string, words io.Writer) (*acceptance, error) {
	if config.Own(o.database) || strings.Contains(o.database, mark) {
		return nil, fmt.Errorf("%s bears the name of a copy, a restore or an earlier run's database", o.database)
	}
	a := &acceptance{o: o, words: words, began: time.Now().UTC(), source: o.database, answers: answers{}}
	a.stamp = a.began.Format("20060102150405")
	a.live = cut(o.database, 50) + mark + a.stamp
	a.environ = own(environ, o, a.live, a.began)
	var err error
	if a.cfg, err = config.Load(a.environ); err != nil {
		return nil, err
	}
	if len(a.cfg.Servers) != 1 {
		return nil, fmt.Errorf("the settings name %d servers; say which with --server", len(a.cfg.Servers))
	}
	if err := a.alone(); err != nil {
		return nil, err
	}
	if a.cfg.NoManagementPlane {
		return nil, fmt.Errorf("BACVAULT_MANAGEMENT_PLANE is off: without it nobody can see whether the policy is unlocked and of one day")
	}
	if err := a.wire(""); err != nil {
		return nil, err
	}
	if err := a.refuse(ctx); err != nil {
		return nil, err
	}
	// The backup's own copy names its service objective, so that both forms of the statement are sent.
	if err := a.wire(a.size.objective); err != nil {
		return nil, err
	}
	a.rep, a.late = newReport(a), lateLook
	if a.rep.StandIn { // which has made a database once it has answered
		a.late = time.Second
	}
	return a, nil
}

// alone holds the settings to one database, the run's own copy: a list of names has no way to say one that holds a comma.
func (a *acceptance) alone() error {
	if p := a.cfg.Protected; len(p) != 1 || p[0].Name != a.live {
		return fmt.Errorf("SQL_DATABASE_NAME can't name a copy of %q: take a database without a comma, or blanks at its ends, in its name", a.source)
	}
	return nil
}

// mark stands between the source's name and the time in the name of our copy.
const mark = "_accept_"

// wire makes the app anew, as a main does.
func (a *acceptance) wire(objective string) (err error) {
	if a.app != nil { // it was there for the looks before
		if err := a.app.Close(context.Background()); err != nil {
			return err
		}
	}
	env := append(a.environ[:len(a.environ):len(a.environ)], "BACVAULT_COPY_OBJECTIVE="+objective)
	if a.cfg, err = config.Load(env); err != nil {
		return err
	}
	if a.app, err = app.New(a.cfg, app.Options{
		Version: app.BuildVersion(), Environ: env, Report: a.hear, Operator: true, Trace: a.sent.hear,
	}); err != nil {
		return err
	}
	for name := range a.cfg.Servers {
		a.parts, err = a.app.Parts(name)
	}
	return err
}

// own gives the apps' settings what this run needs otherwise. What an acceptance run has no use for need not be set.
func own(environ []string, o options, live string, now time.Time) []string {
	env := map[string]string{}
	for _, kv := range environ {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	set := func(k, v string) { env[k] = v }
	dflt := func(k, v string) { env[k] = cmp.Or(env[k], v) }
	set("SQL_DATABASE_NAME", live)
	if o.server != "" {
		set("SQL_SERVER_NAME", o.server)
	}
	for _, k := range []string{"BACVAULT_RESTORE_SERVER_NAME", "SQL_SERVICE_OBJECTIVE", "SQL_MAX_SIZE_GB", "BACVAULT_ACCESS_TIER", "BACVAULT_NOTIFY_URL"} {
		delete(env, k) // the size of the source, its own server, the account's tier, and nobody is to be woken
	}
	set("BACVAULT_CONSISTENCY", "copy")
	set("BACVAULT_COPY_BY", "tsql")
	set("BACVAULT_FINGERPRINT", "checksum")
	set("BACVAULT_READ_BACK", "full")
	set("BACVAULT_MIN_RETENTION_DAYS", "1")
	set("BACVAULT_ALLOW_UNLOCKED_UNTIL", now.AddDate(0, 0, 1).Format(time.DateOnly))
	set("BACVAULT_ALLOW_UNLOCKED_REASON", unlockedReason)
	if env["ServiceBusConnection"] == "" {
		dflt("ServiceBusConnection__fullyQualifiedNamespace", "an-acceptance-run-needs-none.invalid")
	}
	if env["BACVAULT_STATE_ACCOUNT"] == "" && env["BACVAULT_STATE_ENDPOINT"] == "" {
		dflt("AzureWebJobsStorage__accountName", env["STORAGE_ACCOUNT_NAME"])
	}
	if env["IDENTITY_ENDPOINT"] == "" { // a person's machine: whoever az is signed in as
		dflt("MANAGED_IDENTITY_CLIENT_ID", "signed-in")
	}
	if env["BACVAULT_SQLPACKAGE"] == "" {
		if path, err := exec.LookPath("sqlpackage"); err == nil {
			set("BACVAULT_SQLPACKAGE", path)
		}
	}
	var out []string
	for k, v := range env {
		out = append(out, k+"="+v)
	}
	return out
}

// cut keeps the first letters of a name, whole ones.
func cut(name string, most int) string {
	if len(name) > most {
		name = strings.ToValidUTF8(name[:most], "")
	}
	return name
}

// hear keeps the stages of the step that runs, and tells them.
func (a *acceptance) hear(p bacvault.Progress) {
	if !p.Done {
		return
	}
	a.mu.Lock()
	a.stages = append(a.stages, Stage{Run: p.Kind, Stage: string(p.Stage), Seconds: p.Elapsed.Seconds(), Note: p.Note})
	a.mu.Unlock()
	fmt.Fprintf(a.words, "    %-8s %-12s %6.1f s %s\n", p.Kind, p.Stage, p.Elapsed.Seconds(), p.Note)
}

// standsIn says whether an address is this machine: then no answer says anything about Azure.
func standsIn(addresses ...string) bool {
	for _, s := range addresses {
		host := s
		if u, err := url.Parse(s); err == nil && u.Host != "" {
			host = u.Hostname()
		} else if h, _, err := net.SplitHostPort(s); err == nil {
			host = h
		}
		ip := net.ParseIP(host)
		if host == "localhost" || ip != nil && ip.IsLoopback() {
			return true
		}
	}
	return false
}
