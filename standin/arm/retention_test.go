package arm_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/sql/armsql"
	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/standin/arm"
	"github.com/bacvault/bacvault/standin/faults"
	"github.com/bacvault/bacvault/standin/roles"
)

const promoter = roles.Promoter

// newRetentions is a plane on which the promoter has the rights of a promotion, and armsql's pollers may look; taken takes one.
func newRetentions(t *testing.T, taken *string) (*plane, *logical) {
	t.Helper()
	return newDatabases(t, func(c *arm.Config) {
		table := roles.Promotion(roles.Default(), promoter, server).
			With(promoter, roles.ShortTermOperationRead, "*").With(promoter, roles.LongTermOperationRead, "*")
		c.Allow = func(who, action, scope string) bool {
			return (taken == nil || action != *taken) && table.Allow(who, action, scope)
		}
	})
}

func (p *plane) shortTerm(who string) *armsql.BackupShortTermRetentionPoliciesClient {
	p.t.Helper()
	c, err := armsql.NewBackupShortTermRetentionPoliciesClient(subscription, p.ids.Credential(who), p.options("https://management.azure.com", -1))
	must(p.t, err)
	return c
}

func (p *plane) longTerm(who string) *armsql.LongTermRetentionPoliciesClient {
	p.t.Helper()
	c, err := armsql.NewLongTermRetentionPoliciesClient(subscription, p.ids.Credential(who), p.options("https://management.azure.com", -1))
	must(p.t, err)
	return c
}

func short(days int32, hours armsql.DiffBackupIntervalInHours) armsql.BackupShortTermRetentionPolicy {
	return armsql.BackupShortTermRetentionPolicy{Properties: &armsql.BackupShortTermRetentionPolicyProperties{RetentionDays: &days, DiffBackupIntervalInHours: &hours}}
}

func long(weekly, monthly, yearly string, week int32) armsql.LongTermRetentionPolicy {
	return armsql.LongTermRetentionPolicy{Properties: &armsql.BaseLongTermRetentionPolicyProperties{
		WeeklyRetention: &weekly, MonthlyRetention: &monthly, YearlyRetention: &yearly, WeekOfYear: &week,
	}}
}

func (p *plane) putShort(db string, body armsql.BackupShortTermRetentionPolicy) error {
	op, err := p.shortTerm(promoter).BeginCreateOrUpdate(p.t.Context(), group, server, db, armsql.ShortTermRetentionPolicyNameDefault, body, nil)
	if err != nil {
		return err
	}
	got, err := op.PollUntilDone(p.t.Context(), quick)
	if diff := cmp.Diff(body.Properties, got.Properties); err == nil && diff != "" {
		p.t.Error("(-put +got):\n" + diff)
	}
	return err
}

func (p *plane) putLong(db string, body armsql.LongTermRetentionPolicy) error {
	op, err := p.longTerm(promoter).BeginCreateOrUpdate(p.t.Context(), group, server, db, armsql.LongTermRetentionPolicyNameDefault, body, nil)
	if err != nil {
		return err
	}
	got, err := op.PollUntilDone(p.t.Context(), quick)
	want := *body.Properties
	if *want.YearlyRetention == "PT0S" {
		want.WeekOfYear = to.Ptr[int32](0)
	}
	if diff := cmp.Diff(&want, got.Properties); err == nil && diff != "" {
		p.t.Error("(-put +got):\n" + diff)
	}
	return err
}

// rename is what a rename of the SQL server leaves behind.
func (l *logical) rename(from, to string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.dbs[from]
	delete(l.dbs, from)
	d.Name = to
	l.dbs[to] = d
}

func TestRetentionStaysWithTheDatabase(t *testing.T) {
	t.Parallel()
	p, l := newRetentions(t, nil)
	ctx := t.Context()
	none := arm.Retention{RetentionDays: 7, DiffHours: 12, Weekly: "PT0S", Monthly: "PT0S", Yearly: "PT0S"}
	first, err := p.shortTerm(promoter).Get(ctx, group, server, "ORDERS", armsql.ShortTermRetentionPolicyNameDefault, nil)
	must(t, err)
	if diff := cmp.Diff(short(7, 12).Properties, first.Properties); diff != "" || *first.Name != "default" {
		t.Error("(-want +got):\n" + diff)
	}
	off, err := p.longTerm(promoter).Get(ctx, group, server, "Orders", armsql.LongTermRetentionPolicyNameDefault, nil)
	must(t, err)
	if diff := cmp.Diff(long("PT0S", "PT0S", "PT0S", 0).Properties, off.Properties); diff != "" {
		t.Error("(-want +got):\n" + diff)
	}
	must(t, p.putShort("Orders", short(14, 24)))
	must(t, p.putLong("Orders", long("P4W", "P12M", "P7Y", 1)))

	l.rename("orders", "old")
	set := arm.Retention{RetentionDays: 14, DiffHours: 24, Weekly: "P4W", Monthly: "P12M", Yearly: "P7Y", WeekOfYear: 1}
	if got, ok := p.Retention("Old"); !ok || got != set {
		t.Errorf("under its new name: %+v, %t", got, ok)
	}
	_, err = p.longTerm(promoter).Get(ctx, group, server, "Orders", armsql.LongTermRetentionPolicyNameDefault, nil)
	wantCode(t, err, 404, "ResourceNotFound")
	must(t, l.copy("old", "orders", "", ""))
	if got, ok := p.Retention("orders"); !ok || got != none {
		t.Errorf("another database of the old name: %+v, %t", got, ok)
	}
}

func TestRefusedRetention(t *testing.T) {
	t.Parallel()
	p, l := newRetentions(t, nil)
	for _, c := range []struct {
		days  int32
		hours armsql.DiffBackupIntervalInHours
		code  string
	}{{0, 12, "InvalidBackupRetentionPeriod"}, {36, 12, "InvalidBackupRetentionPeriod"}, {7, 6, "InvalidDiffBackupIntervalHours"}} {
		wantCode(t, p.putShort("Orders", short(c.days, c.hours)), 400, c.code)
	}
	l.dbs["orders"].Edition = "Basic"
	wantCode(t, p.putShort("Orders", short(8, 12)), 400, "InvalidBackupRetentionPeriod")
	for _, c := range []armsql.LongTermRetentionPolicy{
		long("4W", "PT0S", "PT0S", 1), long("P6D", "PT0S", "PT0S", 1), long("PT0S", "P121M", "PT0S", 1), long("PT0S", "PT0S", "P11Y", 1),
		long("P1Y2M", "PT0S", "PT0S", 1),
	} {
		wantCode(t, p.putLong("Orders", c), 400, "LongTermRetentionPolicyInvalid")
	}
	for _, week := range []int32{-1, 0, 53} {
		wantCode(t, p.putLong("Orders", long("PT0S", "PT0S", "P1Y", week)), 400, "LongTermRetentionMissingWeekOfYear")
		wantCode(t, p.putLong("Orders", long("PT0S", "PT0S", "PT0S", week)), 400, "LongTermRetentionMissingWeekOfYear")
	}
	wantCode(t, p.putLong("Nowhere", long("P4W", "PT0S", "PT0S", 1)), 404, "ResourceNotFound")
	if got, _ := p.Retention("Orders"); got.RetentionDays != 7 || got.Weekly != "PT0S" {
		t.Errorf("what was refused is kept: %+v", got)
	}
}

// immutability reads what only newer api-versions show, as the product does.
func (p *plane) immutability(version string) (int, string, string) {
	p.t.Helper()
	token, err := p.ids.Credential(promoter).GetToken(p.t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://management.azure.com/.default"}})
	must(p.t, err)
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.Endpoint()+"/subscriptions/"+subscription+"/resourceGroups/"+group+
		"/providers/Microsoft.Sql/servers/"+server+"/databases/Orders/backupLongTermRetentionPolicies/default?api-version="+version, nil)
	must(p.t, err)
	r.Header.Set("Authorization", "Bearer "+token.Token)
	answer, err := p.http.Do(r)
	must(p.t, err)
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	must(p.t, err)
	var body struct {
		Properties struct{ TimeBasedImmutability, TimeBasedImmutabilityMode string }
	}
	must(p.t, json.Unmarshal(raw, &body))
	return answer.StatusCode, body.Properties.TimeBasedImmutability, body.Properties.TimeBasedImmutabilityMode
}

func TestImmutableRetention(t *testing.T) {
	t.Parallel()
	p, _ := newRetentions(t, nil)
	want := func(version string, status int, enabled, mode string) {
		t.Helper()
		if gotStatus, gotEnabled, gotMode := p.immutability(version); gotStatus != status || gotEnabled != enabled || gotMode != mode {
			t.Errorf("%s: %d %q %q", version, gotStatus, gotEnabled, gotMode)
		}
	}
	want("2024-11-01-preview", 200, "Disabled", "")
	is, _ := p.Retention("Orders")
	is.Weekly, is.Immutability = "P1W", "Locked"
	must(t, p.SetRetention("Orders", is))
	want("2024-11-01-preview", 200, "Enabled", "Locked")
	want("2025-01-01", 200, "Enabled", "Locked")
	want("2020-11-01-preview", 200, "", "")
	want("2019-01-01", 400, "", "")
	wantCode(t, p.putLong("Orders", long("P4W", "PT0S", "PT0S", 1)), 409, "LongTermRetentionPolicyImmutable")
	if got, _ := p.Retention("Orders"); got != is {
		t.Errorf("a refused change left %+v", got)
	}
	is.Immutability = "Unlocked"
	must(t, p.SetRetention("Orders", is))
	must(t, p.putLong("Orders", long("P4W", "PT0S", "PT0S", 1)))
	want("2024-11-01-preview", 200, "Disabled", "") // the worst that a real one may do
	if p.SetRetention("Nowhere", is) == nil {
		t.Error("policies of a database that is not there")
	}
}

func TestRightsOnRetention(t *testing.T) {
	t.Parallel()
	taken := ""
	p, _ := newRetentions(t, &taken)
	must(t, p.putShort("Orders", short(14, 12)))
	for action, do := range map[string]func() error{
		roles.ShortTermRead: func() error {
			_, err := p.shortTerm(promoter).Get(t.Context(), group, server, "Orders", armsql.ShortTermRetentionPolicyNameDefault, nil)
			return err
		},
		roles.LongTermRead: func() error {
			_, err := p.longTerm(promoter).Get(t.Context(), group, server, "Orders", armsql.LongTermRetentionPolicyNameDefault, nil)
			return err
		},
		roles.ShortTermWrite:         func() error { return p.putShort("Orders", short(20, 12)) },
		roles.LongTermWrite:          func() error { return p.putLong("Orders", long("P4W", "PT0S", "PT0S", 1)) },
		roles.ShortTermOperationRead: func() error { return p.putShort("Orders", short(14, 12)) },
		roles.LongTermOperationRead:  func() error { return p.putLong("Orders", long("PT0S", "PT0S", "PT0S", 1)) },
	} {
		taken = action
		wantCode(t, do(), 403, "AuthorizationFailed")
	}
	if got, _ := p.Retention("Orders"); got.RetentionDays != 14 || got.Weekly != "PT0S" {
		t.Errorf("what was not allowed was done: %+v", got)
	}
}

func TestFaultsOfRetention(t *testing.T) {
	t.Parallel()
	p, _ := newRetentions(t, nil)
	days := func(want int) {
		t.Helper()
		if got, _ := p.Retention("Orders"); got.RetentionDays != want {
			t.Errorf("%d days, want %d", got.RetentionDays, want)
		}
	}
	p.faults.Add(
		faults.Fault{Op: "arm.retention.write", Do: "status", Status: 503},
		faults.Fault{Op: "arm.retention.write", Nth: 2, Do: "cut"},
		faults.Fault{Op: "arm.retention.write", Nth: 3, Do: "status-after", Status: 500},
		faults.Fault{Op: "arm.retention.write", Nth: 4, Do: "fail-operation", Code: "OperationTimedOut"},
		faults.Fault{Op: "arm.retention.write", Nth: 5, Do: "hang-operation"},
		faults.Fault{Op: "arm.retention.write", Nth: 6, Do: "slow-operation", Wait: time.Hour},
		faults.Fault{Op: "arm.retention", Do: "status", Status: 429},
	)
	wantCode(t, p.putShort("Orders", short(10, 12)), 503, "ServerTimeout")
	days(7)
	var refused *azcore.ResponseError
	if err := p.putShort("Orders", short(11, 12)); err == nil || errors.As(err, &refused) {
		t.Errorf("a cut connection: %v", err)
	}
	days(11)
	wantCode(t, p.putShort("Orders", short(12, 12)), 500, "InternalServerError")
	days(12)
	wantCode(t, p.putShort("Orders", short(13, 12)), 200, "OperationTimedOut")
	days(12)
	op, err := p.shortTerm(promoter).BeginCreateOrUpdate(t.Context(), group, server, "Orders", armsql.ShortTermRetentionPolicyNameDefault, short(15, 12), nil)
	must(t, err)
	for range 3 {
		if _, err := op.Poll(t.Context()); err != nil || op.Done() {
			t.Fatalf("the hanging operation is done, or %v", err)
		}
	}
	days(15)
	op, err = p.shortTerm(promoter).BeginCreateOrUpdate(t.Context(), group, server, "Orders", armsql.ShortTermRetentionPolicyNameDefault, short(16, 12), nil)
	must(t, err)
	if _, err := op.Poll(t.Context()); err != nil || op.Done() {
		t.Fatalf("the slow operation is done, or %v", err)
	}
	days(15)
	p.clock.Advance(time.Hour)
	if _, err := op.Poll(t.Context()); err != nil || !op.Done() {
		t.Fatalf("the slow operation is not done, or %v", err)
	}
	days(16)
	_, err = p.shortTerm(promoter).Get(t.Context(), group, server, "Orders", armsql.ShortTermRetentionPolicyNameDefault, nil)
	wantCode(t, err, 429, "TooManyRequests")
	if left := p.faults.Unfired(); len(left) > 0 {
		t.Errorf("faults that never hit: %v", left)
	}
}
