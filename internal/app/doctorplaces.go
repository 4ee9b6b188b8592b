package app

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/config"
	"github.com/bacvault/bacvault/internal/gate"
	"github.com/bacvault/bacvault/internal/sqlpackage"
	"github.com/bacvault/bacvault/internal/watch"
)

// backs and restores say whose part is looked at.
func (x *examined) backs() bool    { return x.as != AsRestore }
func (x *examined) restores() bool { return x.as != AsBackup }

// here are the checks of this process and machine.
func (x *examined) here() []job {
	return []job{
		{CheckSchedule, "", x.schedules}, {CheckTool, x.cfg.SQLPackage, x.sqlpackage}, {CheckWorkDir, x.cfg.WorkDir, x.workDir}, {CheckRoom, x.cfg.WorkDir, x.room},
	}
}

func (x *examined) schedules(context.Context) finding {
	const fix = "Set six fields from second to day of week, UTC, such as 0 0 2 * * *; the host does not fire a timer that it can't read."
	text := ""
	if x.restores() {
		drills, err := watch.ParseSchedule(x.cfg.DrillSchedule)
		if err != nil {
			return bad(fix, "BACVAULT_DRILL_SCHEDULE: %v", err)
		}
		text = "next drill " + drills.Next(x.now()).Format(time.RFC3339)
	}
	if !x.backs() {
		return ok("%s", text)
	}
	if x.cfg.BackupSchedule == "" { // New has refused one that does not parse
		return warn(fix, "BACKUP_SCHEDULE is not set: no night is expected, so none is missed")
	}
	if text != "" {
		text = ", " + text
	}
	return ok("next night %s%s", x.nightly.Next(x.now()).Format(time.RFC3339), text)
}

func (x *examined) sqlpackage(ctx context.Context) finding {
	version, err := x.tool.Version(ctx)
	if err != nil {
		return failed(err, "Set BACVAULT_SQLPACKAGE to the program; the image brings one.")
	}
	if good, why := sqlpackage.CheckVersion(version); !good {
		return bad("Use sqlpackage "+sqlpackage.MinVersion+" or later.", "%s", why)
	}
	return ok("sqlpackage %s", version)
}

func (x *examined) workDir(context.Context) finding {
	const fix = "Set BACVAULT_WORK_DIR to a folder that this identity may write to, on a disk with room for two archives."
	if err := os.MkdirAll(x.cfg.WorkDir, 0o700); err != nil {
		return bad(fix, "it can't be made: %v", err)
	}
	f, err := os.CreateTemp(x.cfg.WorkDir, "doctor-")
	if err != nil {
		return bad(fix, "nothing can be written: %v", err)
	}
	defer os.Remove(f.Name())
	if _, err := f.WriteString("bacvault doctor\n"); err != nil {
		f.Close()
		return bad(fix, "nothing can be written: %v", err)
	}
	if err := f.Close(); err != nil {
		return bad(fix, "nothing can be written: %v", err)
	}
	return ok("a file was written and removed")
}

// room holds the free space against twice the largest newest backup: the archive, and as much again for sqlpackage.
func (x *examined) room(ctx context.Context) finding {
	dir := x.cfg.WorkDir
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil {
			break
		}
	}
	free, err := freeBytes(dir)
	if err != nil {
		return failed(err, "Look at the disk that BACVAULT_WORK_DIR is on.")
	}
	largest, of, err := x.largest(ctx)
	switch {
	case err != nil:
		return skip("%d MiB are free; the largest backup is not known: %s", free>>20, bacvault.AsFailure(err, "").Detail)
	case largest == 0:
		return ok("%d MiB are free; there is no backup yet to hold them against", free>>20)
	case free < 2*largest:
		return bad("Give the work folder a larger disk, or set BACVAULT_WORK_DIR to one.", "%d MiB are free; the backup of %s takes %d MiB and a run twice that", free>>20, of, largest>>20)
	case free < 4*largest:
		return warn("Give the work folder a larger disk before the databases grow.", "%d MiB are free; the backup of %s takes %d MiB and a run twice that", free>>20, of, largest>>20)
	}
	return ok("%d MiB are free; the largest backup, of %s, takes %d MiB", free>>20, of, (largest+1<<20-1)>>20)
}

func (x *examined) largest(ctx context.Context) (size int64, of bacvault.Database, err error) {
	dbs, err := x.vault.Databases(ctx)
	for _, d := range dbs {
		if !x.cfg.Protects(d.Server, d.Name) {
			continue
		}
		list, err := x.vault.Catalogue(ctx, d)
		if err != nil {
			return 0, d, err
		}
		for _, e := range list[max(0, len(list)-recent):] {
			if e.Size > size {
				size, of = e.Size, d
			}
		}
	}
	return size, of, err
}

// recent is how many of a database's newest backups count.
const recent = 31

// tokens asks for one of each service, as whoever runs this.
func (x *examined) tokens() (out []job) {
	for _, t := range []struct {
		check    Check
		audience string
		needed   bool
	}{
		{CheckStorageToken, "https://storage.azure.com/", true},
		{CheckPlaneToken, cmp.Or(x.cfg.ARMAudience, "https://management.azure.com/"), !x.cfg.NoManagementPlane},
		{CheckSQLToken, config.SQLAudience(x.cfg.SQLSuffix), true},
		{CheckBusToken, "https://servicebus.azure.net/", x.cfg.BusEmulator == ""},
	} {
		if !t.needed {
			continue
		}
		out = append(out, job{t.check, t.audience, func(ctx context.Context) finding {
			token, err := x.cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{strings.TrimSuffix(t.audience, "/") + "/.default"}})
			if err != nil {
				return failed(err, "Check MANAGED_IDENTITY_CLIENT_ID and that the app has this identity; at a desk, sign in with az login.")
			}
			return ok("a token until %s", token.ExpiresOn.UTC().Format(time.RFC3339))
		}})
	}
	return out
}

// storage are the checks of the vault and of the state container.
func (x *examined) storage() []job {
	vault, state := x.cfg.VaultURL(), x.cfg.StateURL()
	out := []job{{CheckVault, vault, x.listVault}, {CheckClock, vault, x.clock}, {CheckState, state, x.writeState}}
	if x.backs() {
		out = append(out, job{CheckGate, vault, x.judgeVault}, job{CheckWatch, state, x.watchAge})
	}
	return out
}

func (x *examined) listVault(ctx context.Context) finding {
	dbs, err := x.vault.Databases(ctx)
	if err != nil {
		return failed(err, "")
	}
	return ok("it was listed: %d databases have backups", len(dbs))
}

func (x *examined) judgeVault(ctx context.Context) finding {
	p, err := x.gate.Observe(ctx)
	if err != nil {
		return failed(err, "")
	}
	degraded, f := gate.Judge(p, x.requirement(), x.now())
	switch {
	case f != nil:
		return failed(f, "")
	case len(degraded) > 0:
		return warn("See bacvault policy check.", "%s", degraded[0])
	}
	return ok("%s for %d days, on both planes", p.State, p.PeriodDays)
}

const (
	// mostSkew is what Azure AD and the storage service take; bacvault's slots are cut to the second.
	mostSkew = 5 * time.Minute
	oddSkew  = 30 * time.Second
)

// clock asks without a token: the store says its time in every answer, a refusal among them.
func (x *examined) clock(ctx context.Context) finding {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, x.cfg.VaultURL()+"?restype=container", nil)
	if err != nil {
		return failed(err, "")
	}
	client := &http.Client{Transport: http.DefaultTransport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	began := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return failed(err, "See that the vault's account can be reached from here: name, firewall, private endpoint.")
	}
	resp.Body.Close()
	there, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return skip("the store's answer has no date: %v", err)
	}
	half := time.Since(began) / 2
	skew := began.Add(half).Sub(there).Abs()
	const fix = "Set this machine's clock by NTP: tokens and slots go by it."
	switch {
	case skew > mostSkew:
		return bad(fix, "this machine's clock is %s off the store's", skew.Round(time.Second))
	case skew > oddSkew:
		return warn(fix, "this machine's clock is %s off the store's", skew.Round(time.Second))
	}
	return ok("this machine's clock is within %s of the store's", max(skew, time.Second).Round(time.Second))
}

// writeState writes, reads and removes a small object of its own.
func (x *examined) writeState(ctx context.Context) finding {
	const fix = "Grant the rights of docs/permissions.md on the state container."
	name := "doctor/" + newRun()
	type mark struct{ At time.Time }
	if err := x.state.Save(ctx, name, mark{x.now()}); err != nil {
		return failed(err, fix)
	}
	var got mark
	found, err := x.state.Load(ctx, name, &got)
	if rerr := x.state.Remove(context.WithoutCancel(ctx), name); err == nil {
		err = rerr
	}
	switch {
	case err != nil:
		return failed(err, fix)
	case !found:
		return bad(fix, "what was written is not there")
	}
	return ok("an object was written, read and removed")
}

// lookAge is from when on the watch is silent: three of its looks were left out.
const lookAge = 45 * time.Minute

func (x *examined) watchAge(ctx context.Context) finding {
	const fix = "See that the function watch is not disabled and what its log says: without it nothing tells what is overdue."
	var snap watch.Snapshot
	found, err := x.state.Load(ctx, snapshotName, &snap)
	switch {
	case err != nil:
		return failed(err, fix)
	case !found:
		return warn(fix, "the watch has not looked yet")
	}
	if age := x.now().Sub(snap.At); age > lookAge {
		return bad(fix, "the watch looked last %s ago, at %s", age.Round(time.Minute), snap.At.UTC().Format(time.RFC3339))
	}
	return ok("the watch looked at %s", snap.At.UTC().Format(time.RFC3339))
}

// queues are the rights in the namespace: a link is opened, and nothing is sent or taken.
func (x *examined) queues() (out []job) {
	own := []string{}
	if x.backs() {
		own = append(own, bacvault.BackupQueue)
	}
	if x.restores() {
		own = append(own, bacvault.RestoreQueue)
	}
	for _, entity := range append(slices.Clone(own), bacvault.EventTopic) {
		out = append(out, job{CheckBusSend, entity, func(ctx context.Context) finding {
			if err := x.bus.CanSend(ctx, entity); err != nil {
				return failed(err, "Grant Azure Service Bus Data Sender on "+entity+", and see that the namespace can be reached.")
			}
			return ok("a sender's link opens; nothing was sent")
		}})
	}
	listens := own
	if !x.restores() {
		listens = append(listens, bacvault.RestoreQueue) // the watch peeks at its dead letters
	}
	for _, queue := range listens {
		out = append(out, job{CheckBusListen, queue, func(ctx context.Context) finding {
			if err := x.bus.CanListen(ctx, queue); err != nil {
				return failed(err, fmt.Sprintf("Grant Azure Service Bus Data Receiver on %s, and see that the namespace can be reached.", queue))
			}
			return ok("it can be peeked at; nothing was taken")
		}})
	}
	return out
}
