package azuresql

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/sql/armsql"

	"github.com/bacvault/bacvault/internal/bacvault"
)

const (
	// retentionLimit bounds the wait for one policy to be taken.
	retentionLimit = 10 * time.Minute
	// retentionOff is how the service shows a long-term retention that is off.
	retentionOff = "PT0S"
	// immutabilityVersion is the first stable version of the REST API whose long-term policy tells timeBasedImmutability and
	// timeBasedImmutabilityMode (Microsoft.Sql, stable/2025-01-01, longTermRetentionPolicies.json).
	immutabilityVersion = "2025-01-01"
)

// The rights that retention policies ask for.
const (
	actionReadShort  = "Microsoft.Sql/servers/databases/backupShortTermRetentionPolicies/read"
	actionWriteShort = "Microsoft.Sql/servers/databases/backupShortTermRetentionPolicies/write"
	actionReadLong   = "Microsoft.Sql/servers/databases/backupLongTermRetentionPolicies/read"
	actionWriteLong  = "Microsoft.Sql/servers/databases/backupLongTermRetentionPolicies/write"
)

// retentionPlane are the clients for retention policies; reads try again, writes do not.
type retentionPlane struct {
	readShort, writeShort *armsql.BackupShortTermRetentionPoliciesClient
	readLong, writeLong   *armsql.LongTermRetentionPoliciesClient
	raw                   *arm.Client // reads
}

func newRetentionPlane(subscription string, cred azcore.TokenCredential, reads, writes *arm.ClientOptions) (p retentionPlane, err error) {
	var errs [5]error
	p.readShort, errs[0] = armsql.NewBackupShortTermRetentionPoliciesClient(subscription, cred, reads)
	p.writeShort, errs[1] = armsql.NewBackupShortTermRetentionPoliciesClient(subscription, cred, writes)
	p.readLong, errs[2] = armsql.NewLongTermRetentionPoliciesClient(subscription, cred, reads)
	p.writeLong, errs[3] = armsql.NewLongTermRetentionPoliciesClient(subscription, cred, writes)
	p.raw, errs[4] = arm.NewClient("bacvault", "v0.0.0", cred, reads)
	return p, errors.Join(errs[:]...)
}

// Retention reads both retention policies of a database, and whether the long-term one makes its backups immutable by time.
// What is off is PT0S, and the week of the year is 0 where there is no yearly backup. A version of the service that does not
// tell of immutability has none; one that does not answer is an error.
func (m *Management) Retention(ctx context.Context, db string) (r bacvault.Retention, immutable bool, err error) {
	if err := checkName(db); err != nil {
		return r, false, err
	}
	short, err := m.shortRetention(ctx, db)
	if err != nil {
		return r, false, err
	}
	long, err := m.longRetention(ctx, db)
	if err != nil {
		return r, false, err
	}
	if immutable, err = m.immutable(ctx, db); err != nil {
		return r, false, err
	}
	long.Days, long.DiffHours = short.Days, short.DiffHours
	return long, immutable, nil
}

// shortRetention reads only days and hours. Hyperscale has no differential backups, so tells no hours.
func (m *Management) shortRetention(ctx context.Context, db string) (r bacvault.Retention, err error) {
	what := "read short-term retention of " + db
	got, err := m.retention.readShort.Get(ctx, m.cfg.ResourceGroup, m.cfg.Server, db, armsql.ShortTermRetentionPolicyNameDefault, nil)
	if err != nil {
		return r, m.failure(ctx, what, actionReadShort, err)
	}
	p := got.Properties
	if p == nil || value(p.RetentionDays) <= 0 {
		return r, bacvault.Fail(bacvault.CodeSQLRefused, "%s: the management plane does not tell the days", what)
	}
	return bacvault.Retention{Days: *p.RetentionDays, DiffHours: int32(value(p.DiffBackupIntervalInHours))}, nil
}

// longRetention reads only weeks, months and years.
func (m *Management) longRetention(ctx context.Context, db string) (r bacvault.Retention, err error) {
	what := "read long-term retention of " + db
	got, err := m.retention.readLong.Get(ctx, m.cfg.ResourceGroup, m.cfg.Server, db, armsql.LongTermRetentionPolicyNameDefault, nil)
	if err != nil {
		return r, m.failure(ctx, what, actionReadLong, err)
	}
	p := got.Properties
	if p == nil {
		return r, bacvault.Fail(bacvault.CodeSQLRefused, "%s: the management plane does not tell it", what)
	}
	return normal(bacvault.Retention{
		Weekly: value(p.WeeklyRetention), Monthly: value(p.MonthlyRetention), Yearly: value(p.YearlyRetention), WeekOfYear: value(p.WeekOfYear),
	}), nil
}

// normal writes what is off in one way. The service shows week 0 where there is no yearly backup, whatever was put.
func normal(r bacvault.Retention) bacvault.Retention {
	for _, p := range []*string{&r.Weekly, &r.Monthly, &r.Yearly} {
		if strings.Trim(*p, "PTYMWDHS0") == "" { // P0W and the like too
			*p = retentionOff
		}
	}
	if r.Yearly == retentionOff {
		r.WeekOfYear = 0
	}
	return r
}

// immutable asks at a version of the API that armsql v1 does not know. An unlocked immutability counts: the backups that it
// protects would stay with the old database all the same.
func (m *Management) immutable(ctx context.Context, db string) (bool, error) {
	what := "read immutability of the long-term retention of " + db
	plane := m.retention.raw
	path := runtime.JoinPaths(plane.Endpoint(), "subscriptions", url.PathEscape(m.cfg.SubscriptionID), "resourceGroups", url.PathEscape(m.cfg.ResourceGroup),
		"providers/Microsoft.Sql/servers", url.PathEscape(m.cfg.Server), "databases", url.PathEscape(db), "backupLongTermRetentionPolicies/default")
	req, err := runtime.NewRequest(ctx, http.MethodGet, path)
	if err != nil {
		return false, fmt.Errorf("%s: %w", what, err)
	}
	req.Raw().URL.RawQuery = url.Values{"api-version": {immutabilityVersion}}.Encode()
	req.Raw().Header.Set("Accept", "application/json")
	resp, err := plane.Pipeline().Do(req)
	if err != nil {
		return false, m.failure(ctx, what, actionReadLong, err)
	}
	if !runtime.HasStatusCode(resp, http.StatusOK) {
		return false, m.failure(ctx, what, actionReadLong, runtime.NewResponseError(resp))
	}
	var body struct {
		Properties *struct {
			TimeBasedImmutability     string `json:"timeBasedImmutability"`
			TimeBasedImmutabilityMode string `json:"timeBasedImmutabilityMode"`
		} `json:"properties"`
	}
	if err := runtime.UnmarshalAsJSON(resp, &body); err != nil {
		return false, m.failure(ctx, what, actionReadLong, err)
	}
	if body.Properties == nil {
		return false, bacvault.Fail(bacvault.CodeSQLRefused, "%s: the management plane does not tell the policy", what)
	}
	switch set, mode := body.Properties.TimeBasedImmutability, body.Properties.TimeBasedImmutabilityMode; {
	case strings.EqualFold(set, "Enabled"):
		return true, nil
	case strings.EqualFold(set, "Disabled"): // a mode beside it takes no effect
		return false, nil
	case set == "":
		return strings.EqualFold(mode, "Locked"), nil
	default:
		return false, bacvault.Fail(bacvault.CodeSQLRefused, "%s: the management plane says %q", what, set)
	}
}

// SetRetention makes both retention policies of a database those given. What is equal already is not put, and at the end both
// are read again. A long-term policy that is immutable is never replaced: a put at the version that we know does not tell of
// immutability, and nobody says that it would stay. DiffHours of 0 sends no hours, and takes what the service makes of that.
func (m *Management) SetRetention(ctx context.Context, db string, r bacvault.Retention) error {
	if err := checkName(db); err != nil {
		return err
	}
	want := normal(r)
	if err := m.settle(ctx, m.shortChange(db, want)); err != nil {
		return err
	}
	if err := m.settle(ctx, m.longChange(db, want)); err != nil {
		return err
	}
	for _, c := range []retentionChange{m.shortChange(db, want), m.longChange(db, want)} {
		same, now, err := c.read(ctx)
		if err != nil {
			return err
		}
		if !same {
			return bacvault.Fail(bacvault.CodePromoteFailed, "%s: it was taken, and now the database shows %s", c.what, now)
		}
	}
	return nil
}

// shortChange sends no hours where none are wanted: the service refuses them on databases without differential backups.
func (m *Management) shortChange(db string, want bacvault.Retention) retentionChange {
	return retentionChange{
		what: fmt.Sprintf("set short-term retention of %s to %s", db, shortWords(want)), action: actionWriteShort,
		read: func(ctx context.Context) (bool, string, error) {
			now, err := m.shortRetention(ctx, db)
			return now.Days == want.Days && (want.DiffHours == 0 || now.DiffHours == want.DiffHours), shortWords(now), err
		},
		send: func(ctx context.Context) (longRunning, error) {
			p := &armsql.BackupShortTermRetentionPolicyProperties{RetentionDays: &want.Days}
			if want.DiffHours != 0 {
				p.DiffBackupIntervalInHours = to.Ptr(armsql.DiffBackupIntervalInHours(want.DiffHours))
			}
			op, err := m.retention.writeShort.BeginCreateOrUpdate(ctx, m.cfg.ResourceGroup, m.cfg.Server, db,
				armsql.ShortTermRetentionPolicyNameDefault, armsql.BackupShortTermRetentionPolicy{Properties: p}, nil)
			if err != nil {
				return nil, err
			}
			return running[armsql.BackupShortTermRetentionPoliciesClientCreateOrUpdateResponse]{op}, nil
		},
	}
}

// longChange sends all fields, for a put replaces the whole policy. The service refuses week 0 even without a yearly backup
// (LongTermRetentionMissingWeekOfYear), so that is put as week 1 and shows as 0 again.
func (m *Management) longChange(db string, want bacvault.Retention) retentionChange {
	return retentionChange{
		what: fmt.Sprintf("set long-term retention of %s to %s", db, longWords(want)), action: actionWriteLong,
		read: func(ctx context.Context) (bool, string, error) {
			now, err := m.longRetention(ctx, db)
			now.Days, now.DiffHours = want.Days, want.DiffHours
			return now == want, longWords(now), err
		},
		send: func(ctx context.Context) (longRunning, error) {
			if locked, err := m.immutable(ctx, db); err != nil {
				return nil, err
			} else if locked {
				return nil, bacvault.Fail(bacvault.CodePromoteImmutable, "the long-term retention of %s is immutable; it was not replaced", db)
			}
			week := max(want.WeekOfYear, 1)
			op, err := m.retention.writeLong.BeginCreateOrUpdate(ctx, m.cfg.ResourceGroup, m.cfg.Server, db, armsql.LongTermRetentionPolicyNameDefault,
				armsql.LongTermRetentionPolicy{Properties: &armsql.BaseLongTermRetentionPolicyProperties{
					WeeklyRetention: &want.Weekly, MonthlyRetention: &want.Monthly, YearlyRetention: &want.Yearly, WeekOfYear: &week,
				}}, nil)
			if err != nil {
				return nil, err
			}
			return running[armsql.LongTermRetentionPoliciesClientCreateOrUpdateResponse]{op}, nil
		},
	}
}

func shortWords(r bacvault.Retention) string {
	if r.DiffHours == 0 {
		return fmt.Sprintf("%d days", r.Days)
	}
	return fmt.Sprintf("%d days, differential backups every %d hours", r.Days, r.DiffHours)
}

func longWords(r bacvault.Retention) string {
	s := fmt.Sprintf("weekly %s, monthly %s, yearly %s", r.Weekly, r.Monthly, r.Yearly)
	if r.WeekOfYear != 0 {
		s += fmt.Sprintf(" in week %d", r.WeekOfYear)
	}
	return s
}
