package arm_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/sql/armsql"
	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/standin/arm"
	"github.com/bacvault/bacvault/standin/faults"
	"github.com/bacvault/bacvault/standin/roles"
)

const server = "sqlsvr-test"

// logical is a logical server whose copies are COPYING for three looks.
type logical struct {
	mu    sync.Mutex
	dbs   map[string]*arm.Database
	looks map[string]int
	fault map[string]string
	ids   uint64 // the last one given to a copy
}

func (l *logical) databases() arm.Databases {
	return arm.Databases{Server: server, Copy: l.copy, Drop: l.drop, Describe: l.describe, List: func() []string { return []string{"Orders"} }}
}

func (l *logical) copy(source, target, objective, fault string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if objective == "Nonsense" {
		return fmt.Errorf("the specified service objective is invalid")
	}
	d := *l.dbs[strings.ToLower(source)]
	l.ids++
	d.ID, d.Name, d.State, d.Objective = l.ids, target, "COPYING", objective
	l.dbs[strings.ToLower(target)], l.fault[target] = &d, fault
	return nil
}

func (l *logical) drop(name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.dbs, strings.ToLower(name))
	return nil
}

func (l *logical) describe(name string) (arm.Database, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d, ok := l.dbs[strings.ToLower(name)]
	if !ok {
		return arm.Database{}, false
	}
	if l.looks[d.Name]++; d.State == "COPYING" && l.looks[d.Name] > 3 {
		d.State = map[string]string{"": "ONLINE", "fail": "SUSPECT", "hang": "COPYING"}[l.fault[d.Name]]
	}
	return *d, true
}

func newDatabases(t *testing.T, change ...func(*arm.Config)) (*plane, *logical) {
	t.Helper()
	l := &logical{looks: map[string]int{}, fault: map[string]string{}, dbs: map[string]*arm.Database{
		"orders": {ID: 1000, Name: "Orders", Edition: "Standard", MaxBytes: 250 << 30, State: "ONLINE", Collation: "Latin1_General_CI_AS", Objective: "S3", Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
	}}
	return newPlane(t, append([]func(*arm.Config){func(c *arm.Config) {
		c.Databases = l.databases()
		c.Allow = roles.ManagementCopies(roles.Default(), server).Allow
	}}, change...)...), l
}

func (p *plane) databases(who string) *armsql.DatabasesClient {
	p.t.Helper()
	c, err := armsql.NewDatabasesClient(subscription, p.ids.Credential(who), p.options("https://management.azure.com", -1))
	must(p.t, err)
	return c
}

func copyOf(source armsql.Database) armsql.Database {
	return armsql.Database{Location: source.Location, SKU: source.SKU, Properties: &armsql.DatabaseProperties{
		CreateMode: to.Ptr(armsql.CreateModeCopy), SourceDatabaseID: source.ID,
	}}
}

var quick = &runtime.PollUntilDoneOptions{Frequency: time.Second} // the client's least

func TestCopyOfADatabase(t *testing.T) {
	t.Parallel()
	p, _ := newDatabases(t)
	c := p.databases(roles.Backup)
	from, err := c.Get(t.Context(), group, server, "orders", nil)
	must(t, err)
	if *from.Name != "Orders" || *from.Properties.Status != armsql.DatabaseStatusOnline || *from.SKU.Name != "S3" ||
		*from.SKU.Tier != "Standard" || *from.Properties.MaxSizeBytes != 250<<30 ||
		from.Properties.CreationDate.Year() != 2026 || *from.Properties.Collation != "Latin1_General_CI_AS" || *from.Location == "" {
		t.Errorf("got %+v", from.Database)
	}
	op, err := c.BeginCreateOrUpdate(t.Context(), group, server, "Copy", copyOf(from.Database), nil)
	must(t, err)
	if op.Done() {
		t.Error("the copy is done at once")
	}
	if got, err := c.Get(t.Context(), group, server, "Copy", nil); err != nil || *got.Properties.Status != armsql.DatabaseStatusCopying {
		t.Errorf("%+v, %v", got.Properties, err)
	}
	made, err := op.PollUntilDone(t.Context(), quick)
	must(t, err)
	if *made.Name != "Copy" || *made.Properties.Status != armsql.DatabaseStatusOnline || *made.SKU.Name != "S3" {
		t.Errorf("made %+v", made.Database)
	}
	_, err = c.BeginCreateOrUpdate(t.Context(), group, server, "Copy", copyOf(from.Database), nil)
	wantCode(t, err, 409, "RemoteDatabaseExists")

	gone, err := c.BeginDelete(t.Context(), group, server, "Copy", nil)
	must(t, err)
	_, err = gone.PollUntilDone(t.Context(), quick)
	must(t, err)
	_, err = c.Get(t.Context(), group, server, "Copy", nil)
	wantCode(t, err, 404, "ResourceNotFound")
	again, err := c.BeginDelete(t.Context(), group, server, "Copy", nil)
	if must(t, err); !again.Done() {
		t.Error("the drop of what is not there goes on")
	}
	var names []string
	for pager := c.NewListByServerPager(group, server, nil); pager.More(); {
		page, err := pager.NextPage(t.Context())
		must(t, err)
		for _, d := range page.Value {
			names = append(names, *d.Name)
		}
	}
	if diff := cmp.Diff([]string{"Orders"}, names); diff != "" {
		t.Error("(-want +got):\n" + diff)
	}
}

func TestRefusedCopies(t *testing.T) {
	t.Parallel()
	p, _ := newDatabases(t)
	c := p.databases(roles.Backup)
	from, err := c.Get(t.Context(), group, server, "Orders", nil)
	must(t, err)
	for name, test := range map[string]struct {
		change func(*armsql.Database)
		status int
		code   string
	}{
		"no location":      {func(d *armsql.Database) { d.Location = nil }, 400, "LocationRequired"},
		"another location": {func(d *armsql.Database) { d.Location = to.Ptr("westeurope") }, 400, "InvalidLocation"},
		"no such source":   {func(d *armsql.Database) { d.Properties.SourceDatabaseID = to.Ptr(*from.ID + "x") }, 400, "SourceDatabaseNotFound"},
		"no such sku":      {func(d *armsql.Database) { d.SKU = &armsql.SKU{Name: to.Ptr("Nonsense")} }, 400, "InvalidSku"},
		"sku and pool":     {func(d *armsql.Database) { d.Properties.ElasticPoolID = to.Ptr("/x/elasticPools/p") }, 400, "ElasticPoolSkuCombinationInvalid"},
		"another mode":     {func(d *armsql.Database) { d.Properties.CreateMode = to.Ptr(armsql.CreateModeDefault) }, 501, "NotImplemented"},
	} {
		d := copyOf(from.Database)
		test.change(&d)
		t.Log(name)
		_, err := c.BeginCreateOrUpdate(t.Context(), group, server, "Copy", d, nil)
		wantCode(t, err, test.status, test.code)
	}
	_, err = c.Get(t.Context(), group, "elsewhere", "Orders", nil)
	wantCode(t, err, 404, "ParentResourceNotFound")
}

func TestRightsOnDatabases(t *testing.T) {
	t.Parallel()
	taken := ""
	p, _ := newDatabases(t, func(c *arm.Config) {
		table := roles.ManagementCopies(roles.Default(), server)
		c.Allow = func(who, action, scope string) bool { return action != taken && table.Allow(who, action, scope) }
	})
	c := p.databases(roles.Backup)
	from, err := c.Get(t.Context(), group, server, "Orders", nil)
	must(t, err)
	op, err := c.BeginCreateOrUpdate(t.Context(), group, server, "First", copyOf(from.Database), nil)
	must(t, err)
	for action, do := range map[string]func() error{
		roles.DatabaseRead:   func() error { _, err := c.Get(t.Context(), group, server, "Orders", nil); return err },
		roles.DatabaseDelete: func() error { _, err := c.BeginDelete(t.Context(), group, server, "First", nil); return err },
		roles.OperationRead:  func() error { _, err := op.Poll(t.Context()); return err },
		roles.DatabaseWrite: func() error {
			_, err := c.BeginCreateOrUpdate(t.Context(), group, server, "Copy", copyOf(from.Database), nil)
			return err
		},
	} {
		taken = action
		wantCode(t, do(), 403, "AuthorizationFailed")
	}
	taken = ""
	_, err = p.databases(roles.Restore).Get(t.Context(), group, server, "Orders", nil)
	wantCode(t, err, 403, "AuthorizationFailed")
	if roles.Default().Allow(roles.Backup, roles.DatabaseWrite, server+"/Orders") {
		t.Error("the default table lets the backup app copy by the management plane")
	}
}

func TestFaultsOfDatabases(t *testing.T) {
	t.Parallel()
	p, l := newDatabases(t)
	c := p.databases(roles.Backup)
	from, err := c.Get(t.Context(), group, server, "Orders", nil)
	must(t, err)
	p.faults.Add(
		faults.Fault{Op: "arm.database.write", Do: "fail-operation", Code: "ElasticPoolOverStorage"},
		faults.Fault{Op: "arm.database.write", Nth: 2, Do: "hang-operation"},
		faults.Fault{Op: "arm.database.write", Nth: 3, Do: "status-after", Status: 503},
		faults.Fault{Op: "arm.database", Do: "status", Status: 429},
		faults.Fault{Op: "arm.database.delete", Do: "status", Status: 500},
	)
	op, err := c.BeginCreateOrUpdate(t.Context(), group, server, "Failing", copyOf(from.Database), nil)
	must(t, err)
	_, err = op.PollUntilDone(t.Context(), quick)
	wantCode(t, err, 200, "ElasticPoolOverStorage")

	hanging, err := c.BeginCreateOrUpdate(t.Context(), group, server, "Hanging", copyOf(from.Database), nil)
	must(t, err)
	for range 6 {
		if _, err := hanging.Poll(t.Context()); err != nil || hanging.Done() {
			t.Fatalf("the hanging operation is done, or %v", err)
		}
	}
	_, err = c.BeginCreateOrUpdate(t.Context(), group, server, "Lost", copyOf(from.Database), nil)
	wantCode(t, err, 503, "ServerTimeout")
	if _, there := l.describe("Lost"); !there {
		t.Error("a call whose answer was lost took no effect")
	}
	_, err = c.Get(t.Context(), group, server, "Orders", nil)
	wantCode(t, err, 429, "TooManyRequests")
	_, err = c.BeginDelete(t.Context(), group, server, "Lost", nil)
	wantCode(t, err, 500, "InternalServerError")
	if left := p.faults.Unfired(); len(left) > 0 {
		t.Errorf("faults that never hit: %v", left)
	}
}
