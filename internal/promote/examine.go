package promote

import (
	"context"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

const online = "ONLINE"

// elasticPool is what DATABASEPROPERTYEX says of the objective of a database in a pool; it does not name the pool.
const elasticPool = "ElasticPool"

// keeps says whether the record is that of this very promotion, written before its first rename.
func (r *run) keeps() bool { return r.rec.Restored == r.restored.Name && r.rec.Finished == nil }

// examine reads all that a promotion depends on and makes the record. Whatever refuses is told, the first as the failure.
func (r *run) examine(ctx context.Context) error {
	prior := r.rec
	rec := Record{Action: prior.Action, Requests: prior.Requests, Past: prior.Past, Live: r.live.Name, Restored: r.restored.Name, Started: r.now()}
	if r.keeps() {
		rec.Old, rec.Started, rec.Forced = prior.Old, prior.Started, prior.Forced
	} else {
		rec.pass()
		rec.Old = old(r.live.Name, rec.Started)
	}
	rec.turn(bacvault.PromoteApply, r.req.ID)
	r.rec, r.out.Old = rec, rec.Old
	restored, err := r.identify(ctx)
	if err != nil {
		return err
	}
	r.set(StepRenameLive, r.live.Name, r.rec.Old, false)
	r.set(StepRenameRestored, r.restored.Name, r.live.Name, false)

	var refused []*bacvault.Failure
	for _, check := range []func(context.Context) (*bacvault.Failure, error){
		r.sized, r.linked, r.kept, func(ctx context.Context) (*bacvault.Failure, error) { return r.proven(ctx, restored) },
	} {
		f, err := check(ctx)
		if err != nil {
			return err
		}
		if f != nil {
			refused = append(refused, f)
		}
	}
	r.out.Forced = r.rec.Forced
	if len(refused) == 0 {
		r.aim(true)
		return nil
	}
	for _, f := range refused[1:] {
		r.find("also refused: %s", f.Error())
	}
	return refused[0]
}

// identify finds both databases, and their creation times, by which they are known from here on.
func (r *run) identify(ctx context.Context) (restored Database, err error) {
	live, err := r.online(ctx, r.live)
	if err != nil {
		return restored, err
	}
	if restored, err = r.online(ctx, r.restored); err != nil {
		return restored, err
	}
	if live.Created.Equal(restored.Created) {
		return restored, refuse("Restore again and promote that database.", "%s and %s were created at the same moment and can't be told apart", r.live.Name, r.restored.Name)
	}
	if _, taken, err := r.Server.Exists(ctx, r.rec.Old); err != nil {
		return restored, err
	} else if taken {
		return restored, changed("there is a database %s already", r.rec.Old)
	}
	r.rec.LiveCreated, r.rec.RestoredCreated = live.Created, restored.Created
	return restored, nil
}

func (r *run) online(ctx context.Context, d bacvault.Database) (Database, error) {
	found, there, err := r.Server.Exists(ctx, d.Name)
	switch {
	case err != nil:
		return found, err
	case !there && d == r.restored && r.RestoresOn != d.Server:
		f := bacvault.Fail(bacvault.CodeSQLNotFound, "there is no database %s on server %s; restores are made on %s, and a rename does not leave its server", d.Name, d.Server, r.RestoresOn)
		f.Next = "Restore to the live database's own server: leave BACVAULT_RESTORE_SERVER_NAME out."
		return found, f
	case !there:
		return found, bacvault.Fail(bacvault.CodeSQLNotFound, "there is no database %s on server %s", d.Name, d.Server)
	case found.Name != d.Name: // leases and marks tell cases apart, servers do not
		return found, refuse("Spell the name as the server does.", "the database %s is spelled %s", d.Name, found.Name)
	case found.State != online:
		return found, refuse("Wait until it is online, or bring it online, and send the request again.", "database %s is %s", d.Name, found.State)
	}
	return found, nil
}

// asksSize says whether the request names a size of its own.
func (r *run) asksSize() bool {
	return r.req.ServiceObjective != "" || r.req.Edition != "" || r.req.MaxSizeGB > 0
}

// wanted is the size that the new live database gets: that of the old one, but for what the request names.
func (r *run) wanted(live Size) Size {
	if r.req.Edition != "" {
		live.Edition = r.req.Edition
	}
	if r.req.ServiceObjective != "" {
		live.Objective = r.req.ServiceObjective
	}
	if r.req.MaxSizeGB > 0 {
		live.MaxSizeBytes = int64(r.req.MaxSizeGB) << 30
	}
	return live
}

func (r *run) sized(ctx context.Context) (*bacvault.Failure, error) {
	live, err := r.Server.Size(ctx, r.live.Name)
	if err != nil {
		return nil, err
	}
	now, err := r.Server.Size(ctx, r.restored.Name)
	if err != nil {
		return nil, err
	}
	r.rec.Size, r.rec.Want = live, r.wanted(live)
	want := r.rec.Want
	r.set(StepScale, now.String(), want.String(), now.same(want))
	switch {
	case now.same(want):
	case strings.EqualFold(want.Objective, elasticPool):
		return refuse("Name serviceObjective and edition in the request, and move the database into its pool afterwards.",
			"%s is in an elastic pool, whose name it does not tell", r.live.Name), nil
	case want.MaxSizeBytes <= 0:
		return refuse("Name maxSizeGb in the request.", "the maximum size of %s could not be told", r.live.Name), nil
	}
	return nil, nil
}

// linked: a database under active geo-replication can't be renamed, neither the one nor the other (sp_renamedb, Remarks).
func (r *run) linked(ctx context.Context) (*bacvault.Failure, error) {
	for _, name := range []string{r.live.Name, r.restored.Name} {
		n, err := r.Server.GeoLinks(ctx, name)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			return bacvault.Fail(bacvault.CodePromoteGeo, "%s has %d geo-replication links", name, n), nil
		}
	}
	return nil, nil
}

// kept reads what the platform keeps of the live database. Retention that can't be read is not taken for none.
func (r *run) kept(ctx context.Context) (*bacvault.Failure, error) {
	if err := r.shown(ctx, r.live.Name, r.rec.LiveCreated, r.rec.RestoredCreated); err != nil {
		return nil, err
	}
	live, immutable, err := r.Policies.Retention(ctx, r.live.Name)
	if err != nil {
		return nil, err
	}
	r.rec.Retention = live
	now, _, err := r.Policies.Retention(ctx, r.restored.Name)
	if err != nil {
		return nil, err
	}
	r.setRetention(now)
	if immutable {
		return bacvault.Fail(bacvault.CodePromoteImmutable, "the long-term retention of %s is immutable (%s)", r.live.Name, longTerm(live)), nil
	}
	return nil, nil
}

// proven: only a database whose rows a restore found to be those of its backup goes into service, or a person says why not.
func (r *run) proven(ctx context.Context, restored Database) (*bacvault.Failure, error) {
	rc, ok, err := r.State.Reconciliation(ctx, r.restored)
	if err != nil {
		return nil, err
	}
	f := (*bacvault.Failure)(nil)
	unproven := func(format string, args ...any) { f = bacvault.Fail(bacvault.CodePromoteUnproven, format, args...) }
	switch {
	case !ok:
		unproven("no restore left a passed reconciliation of %s", r.restored)
	case rc.Target != r.restored || rc.Source != r.live:
		unproven("%s was reconciled as %s, a restore of %s", r.restored.Name, rc.Target, rc.Source)
	case !restored.Created.Equal(rc.Created):
		unproven("%s was created %s, and the one that the restore of request %s made %s", r.restored.Name, stamp(restored.Created), rc.Request, stamp(rc.Created))
	case rc.Tables == 0:
		unproven("the restore of request %s compared no table of %s", rc.Request, r.restored.Name)
	default:
		r.rec.Reconciled, r.rec.Forced = &rc, ""
		for _, s := range rc.Findings {
			r.find("restore of request %s: %s", rc.Request, s)
		}
		return nil, nil
	}
	if r.req.Force {
		r.rec.Forced = r.req.Reason
	}
	if r.rec.Forced == "" {
		return f, nil
	}
	r.find("forced (%s): %s", r.rec.Forced, f.Detail)
	return nil, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
