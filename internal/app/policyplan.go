package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/gate"
)

// PolicyChangeSchema names the form of a PolicyChange.
const PolicyChangeSchema = "bacvault.policy-change.v1"

// What a change of the policy can be, and how it stands.
const (
	PolicyLock   = "lock"
	PolicyExtend = "extend"

	PolicyPlanned = "planned"
	PolicyAlready = "already" // it is so, and nothing was sent
	PolicyDone    = "done"    // sent, and read back as it was wanted
	PolicyUnknown = "unknown" // sent, and not read back as it was wanted
)

// PolicyWish is what somebody wants of the vault's policy.
type PolicyWish struct {
	Action string
	// Days is the period that an extension gives. For a lock it is what the policy must have; 0 takes the one that it has.
	Days int
	// Force locks a policy that allows appends, which can be taken off only before; Reason says why.
	Force  bool
	Reason string
}

// PolicyChange is the plan of a change and, once it was made, its report. It holds the ETag of the policy that it was made from.
type PolicyChange struct {
	Schema  string            `json:"schema"`
	At      time.Time         `json:"at"`
	Vault   string            `json:"vault"`
	Action  string            `json:"action"`
	Outcome string            `json:"outcome"`
	Before  bacvault.Posture  `json:"before"`
	After   *bacvault.Posture `json:"after,omitempty"`
	// Days is the period that the policy is to have.
	Days int `json:"days"`
	// ExtensionsAfter is how often it can be extended after this.
	ExtensionsAfter int              `json:"extensionsAfter"`
	Backups         ProtectedBackups `json:"backups"`
	Forever         []string         `json:"forever,omitempty"`
	Untouched       []string         `json:"untouched,omitempty"`
	Notes           []string         `json:"notes,omitempty"`
	Forced          string           `json:"forced,omitempty"`
	Unread          []string         `json:"unread,omitempty"`
	Next            string           `json:"next"`
}

// ProtectedBackups is what lies in the vault under the policy as it is and as it is to be.
type ProtectedBackups struct {
	Count int        `json:"count"`
	Bytes int64      `json:"bytes"`
	First *BackupEnd `json:"first,omitempty"`
	Last  *BackupEnd `json:"last,omitempty"`
	// Ended may be deleted as it is; Again of them may not after the change.
	Ended int `json:"ended"`
	Again int `json:"again"`
}

// BackupEnd is until when a backup can't be deleted.
type BackupEnd struct {
	Blob string    `json:"blob"`
	Now  time.Time `json:"protectedUntil"`
	Then time.Time `json:"protectedUntilAfter"`
}

// stored is one backup in the vault.
type stored struct {
	blob    string
	created time.Time
	size    int64
}

// custody is what a change of the policy asks of the rooms.
type custody struct {
	vault   string
	require gate.Requirement
	observe func(ctx context.Context) (bacvault.Posture, error)
	lock    func(ctx context.Context, etag string) error
	extend  func(ctx context.Context, etag string, days int) error
	stored  func(ctx context.Context) (list []stored, unread []string)
	now     func() time.Time
	pause   time.Duration // between two readings of a policy that is not yet as it was wanted
}

func (c custody) plan(ctx context.Context, w PolicyWish) (PolicyChange, error) {
	if w.Action == PolicyExtend && (w.Days < 1 || w.Days > gate.MaxDays) {
		return PolicyChange{}, notThis("a period is 1 to %d days, not %d", gate.MaxDays, w.Days)
	}
	if c.require.NoManagementPlane {
		return PolicyChange{}, notThis("BACVAULT_MANAGEMENT_PLANE is off, and nothing else can %s a policy", w.Action)
	}
	p, err := c.observe(ctx)
	if err != nil {
		return PolicyChange{}, err
	}
	ch := PolicyChange{Schema: PolicyChangeSchema, At: c.now(), Vault: c.vault, Action: w.Action, Outcome: PolicyPlanned, Before: p, Days: w.Days}
	may := c.mayLock
	if w.Action == PolicyExtend {
		may = c.mayExtend
	}
	if f := may(&ch, w); f != nil {
		return PolicyChange{}, f
	}
	if ch.Outcome == PolicyPlanned && p.PolicyETag == "" {
		return PolicyChange{}, notThis("the management plane shows no ETag of the policy, so that nothing would tell whether it is still the one that was read")
	}
	c.backups(ctx, &ch)
	ch.say()
	return ch, nil
}

// mayLock refuses what can't be mended once it is locked.
func (c custody) mayLock(ch *PolicyChange, w PolicyWish) *bacvault.Failure {
	p := ch.Before
	ch.Days, ch.ExtensionsAfter = p.PeriodDays, gate.MaxExtensions
	switch {
	case p.Scope == gate.ScopeVersion:
		return versionLevel()
	case p.Locked() && w.Days != 0 && w.Days != p.PeriodDays:
		return notThis("the policy is locked already, at %d days and not at %d; only bacvault policy extend can change that, and only to more", p.PeriodDays, w.Days)
	case p.Locked():
		ch.Outcome, ch.ExtensionsAfter = PolicyAlready, p.ExtensionsLeft
	}
	// Whatever the gate would refuse of the locked policy must be put right before.
	locked := p
	if p.State == gate.StateUnlocked {
		locked.State = gate.StateLocked
	}
	switch _, f := gate.Judge(locked, c.require, ch.At); {
	case f != nil && ch.Outcome == PolicyAlready:
		ch.Notes = append(ch.Notes, "The gate refuses this vault all the same: "+f.Detail+". Extend it: bacvault policy extend.")
	case f != nil:
		f.Exists = "the policy was not changed"
		f.Next = fmt.Sprintf("Locked it could never be shortened, nor made good but by one of five extensions: first give the unlocked policy a period of at least %d days, with Terraform or az. If a shorter one is meant, set BACVAULT_MIN_RETENTION_DAYS.", max(1, c.require.MinDays))
		return f
	case ch.Outcome == PolicyAlready:
	case w.Days != 0 && w.Days != p.PeriodDays:
		return notThis("the policy has %d days, not %d, and a lock does not change the period", p.PeriodDays, w.Days)
	case (p.ProtectedAppend || p.ProtectedAppendAll) && !w.Force:
		f := notThis("the policy allows appending to protected blobs (%s), and a lock freezes that", appends(p))
		f.Next = "Take the append flag off while the policy is unlocked, with Terraform or az; bacvault needs none. If it must stay: --force --reason WHY."
		return f
	case p.ProtectedAppend || p.ProtectedAppendAll:
		ch.Forced = w.Reason
	}
	return nil
}

func (c custody) mayExtend(ch *PolicyChange, w PolicyWish) *bacvault.Failure {
	p := ch.Before
	ch.ExtensionsAfter = p.ExtensionsLeft - 1
	switch {
	case p.Scope == gate.ScopeVersion:
		return versionLevel()
	case p.State == gate.StateNone:
		f := bacvault.Fail(bacvault.CodeGateNoPolicy, "the container has no immutability policy that could be extended")
		f.Exists = "the policy was not changed"
		return f
	case !p.Locked():
		f := notThis("the policy is %s: its period is simply set, and an extension is for locked ones", strings.ToLower(p.State))
		f.Next = "Set the period with Terraform or az, then bacvault policy lock."
		return f
	case w.Days <= p.PeriodDays:
		return notThis("the policy has %d days already, and %d are not more: nobody can shorten it", p.PeriodDays, w.Days)
	case p.ExtensionsLeft == 0:
		f := notThis("the policy was extended %d times by its own history, and Azure takes no more in its life", gate.MaxExtensions)
		f.Next = "Longer protection needs another container with a longer policy: what is stored from then on goes there."
		return f
	}
	if w.Days < c.require.MinDays {
		ch.Notes = append(ch.Notes, fmt.Sprintf("The gate will refuse %d days all the same: BACVAULT_MIN_RETENTION_DAYS is %d.", w.Days, c.require.MinDays))
	}
	return nil
}

// backups says what the change means for what lies there.
func (c custody) backups(ctx context.Context, ch *PolicyChange) {
	list, unread := c.stored(ctx)
	ch.Unread = append(ch.Unread, unread...)
	then := ch.Before
	then.PeriodDays = ch.Days
	b := &ch.Backups
	for _, s := range list {
		e := &BackupEnd{s.blob, ch.Before.ProtectedUntil(s.created), then.ProtectedUntil(s.created)}
		b.Count, b.Bytes = b.Count+1, b.Bytes+s.size
		if !e.Now.After(ch.At) {
			b.Ended++
			if e.Then.After(ch.At) {
				b.Again++
			}
		}
		if b.First == nil || e.Now.Before(b.First.Now) {
			b.First = e
		}
		if b.Last == nil || e.Now.After(b.Last.Now) {
			b.Last = e
		}
	}
}

func versionLevel() *bacvault.Failure {
	f := notThis("the container has version-level immutability: its policy is a default that each version takes over, and what this plan would say of it is not true")
	f.Next = "Lock or extend a version-level default in the Portal or with az, after reading what it does to versions that exist."
	return f
}

// notThis is a refusal before anything was sent.
func notThis(format string, args ...any) *bacvault.Failure {
	f := bacvault.Fail(bacvault.CodePolicyRefused, format, args...)
	f.Exists = "the policy was not changed"
	return f
}

func appends(p bacvault.Posture) string {
	switch {
	case p.ProtectedAppendAll:
		return "append and block blobs, allowProtectedAppendWritesAll"
	case p.ProtectedAppend:
		return "append blobs, allowProtectedAppendWrites"
	}
	return "none"
}
