package azuresql_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/internal/azuresql"
	"github.com/bacvault/bacvault/internal/bacvault"
)

func TestCopyByTheManagementPlane(t *testing.T) {
	online, copied := []string{"Online"}, []string{"", "Copying", "Copying", "Online"}
	taken, running := []string{"taken"}, []string{"InProgress"}
	for name, c := range map[string]struct {
		*plane
		wait  time.Duration
		code  bacvault.Code // empty: success
		class bacvault.Class
		puts  int
		says  string // in the detail or the next step
		may   bool   // the failure says that the target may exist
	}{
		"plain":                     {plane: &plane{source: online, target: copied, puts: taken, operation: []string{"InProgress", "Succeeded"}}, puts: 1},
		"shown late":                {plane: &plane{source: online, target: []string{"", "", "", "", "Online"}, puts: taken, operation: running}, puts: 1},
		"reads fail for a while":    {plane: &plane{source: online, target: []string{"", "!500 X", "!500 X", "!500 X", "!500 X", "Copying", "Online"}, puts: taken, operation: running}, puts: 1},
		"operation may not be read": {plane: &plane{source: online, target: copied, puts: taken, operation: []string{"!403 AuthorizationFailed"}}, puts: 1},
		"operation fails to answer": {plane: &plane{source: online, target: copied, puts: taken, operation: []string{"!503 X", "lost", "Succeeded"}}, puts: 1},
		"answer lost, taken":        {plane: &plane{source: online, target: copied, puts: []string{"lost"}}, puts: 1},
		"answer 503, taken late":    {plane: &plane{source: online, target: []string{"", "", "", "", "Copying", "Online"}, puts: []string{"!503 X"}}, puts: 1},
		"answer lost, not taken": {plane: &plane{source: online, target: []string{""}, puts: []string{"lost"}},
			code: bacvault.CodeSQLUnreachable, class: bacvault.Retry, puts: 5, may: true},
		"answer lost, then not readable": {plane: &plane{source: online, target: []string{"", "!500 X"}, puts: []string{"lost"}},
			code: bacvault.CodeSQLUnreachable, class: bacvault.Retry, puts: 1, may: true},
		"throttled once":              {plane: &plane{source: online, target: []string{"", "", "", "", "", "", "", "Copying", "Online"}, puts: []string{"!429 X", "taken"}, operation: running}, puts: 2},
		"lost, then the name is ours": {plane: &plane{source: online, target: []string{"", "", "", "", "", "", "", "Copying", "Online"}, puts: []string{"lost", "!409 RemoteDatabaseExists"}}, puts: 2},
		"name taken before":           {plane: &plane{source: online, target: online}, code: bacvault.CodeTargetExists, class: bacvault.Refused},
		"name taken in between": {plane: &plane{source: online, target: []string{""}, puts: []string{"!409 RemoteDatabaseExists"}},
			code: bacvault.CodeTargetExists, class: bacvault.Refused, puts: 1},
		"no source":    {plane: &plane{source: []string{""}}, code: bacvault.CodeSQLNotFound, class: bacvault.Refused, says: "no database Orders"},
		"no server":    {plane: &plane{source: []string{"!404 ParentResourceNotFound"}}, code: bacvault.CodeSQLNotFound, class: bacvault.Refused, says: "srv"},
		"may not read": {plane: &plane{source: []string{"!403 AuthorizationFailed"}}, code: bacvault.CodeSQLDenied, class: bacvault.Terminal, says: "Microsoft.Sql/servers/databases/read"},
		"may not write": {plane: &plane{source: online, target: []string{""}, puts: []string{"!403 AuthorizationFailed"}},
			code: bacvault.CodeSQLDenied, class: bacvault.Terminal, puts: 1, says: "Grant the identity Microsoft.Sql/servers/databases/write"},
		"DTU quota": {plane: &plane{source: online, target: []string{""}, puts: []string{"!409 ServerDtuQuotaExceeded"}},
			code: bacvault.CodeCopyNoRoom, class: bacvault.Terminal, puts: 1, says: "ServerDtuQuotaExceeded for server srv in rg: the plane's words"},
		"pool is full": {plane: &plane{source: online, target: []string{""}, puts: []string{"!400 ElasticPoolDatabaseCountOverLimit"}},
			code: bacvault.CodeCopyNoRoom, class: bacvault.Terminal, puts: 1},
		"no such objective": {plane: &plane{source: online, target: []string{""}, puts: []string{"!400 InvalidSku"}}, code: bacvault.CodeSQLRefused, class: bacvault.Terminal, puts: 1},
		"nobody knows":      {plane: &plane{source: online, target: []string{""}, puts: []string{"!400 Peculiar"}}, code: bacvault.CodeSQLRefused, class: bacvault.Retry, puts: 1},
		"no room half-way": {plane: &plane{source: online, target: copied[:3], puts: taken, operation: []string{"InProgress", "Failed ElasticPoolOverStorage"}},
			code: bacvault.CodeCopyNoRoom, class: bacvault.Terminal, puts: 1, says: "it broke", may: true},
		"fails half-way": {plane: &plane{source: online, target: copied[:3], puts: taken, operation: []string{"InProgress", "Failed InternalServerError"}},
			code: bacvault.CodeCopyFailed, class: bacvault.Retry, puts: 1, may: true},
		"suspect": {plane: &plane{source: online, target: []string{"", "Copying", "Suspect"}, puts: taken, operation: running},
			code: bacvault.CodeCopyFailed, class: bacvault.Retry, puts: 1, may: true},
		"no longer readable": {plane: &plane{source: online, target: []string{"", "Copying", "!403 AuthorizationFailed"}, puts: taken, operation: running}, wait: 2 * time.Second,
			code: bacvault.CodeSQLDenied, class: bacvault.Terminal, puts: 1, says: "Microsoft.Sql/servers/databases/read", may: true},
		"vanishes": {plane: &plane{source: online, target: []string{"", "Copying", ""}, puts: taken, operation: running},
			code: bacvault.CodeCopyFailed, class: bacvault.Retry, puts: 1, may: true},
		"ended and not there": {plane: &plane{source: online, target: []string{""}, puts: taken, operation: []string{"Succeeded"}},
			code: bacvault.CodeCopyFailed, class: bacvault.Retry, puts: 1, may: true},
		"hangs": {plane: &plane{source: online, target: []string{"", "Copying"}, puts: taken, operation: running}, wait: 100 * time.Millisecond,
			code: bacvault.CodeCopyTimeout, class: bacvault.Retry, puts: 1, says: "COPYING", may: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.wait == 0 {
				c.wait = 20 * time.Second
			}
			err := management(t, c.plane, nil).Copy(t.Context(), "Orders", "Orders_copy", "", c.wait)
			if got := c.count("PUT"); got != c.puts {
				t.Errorf("put %d times, want %d", got, c.puts)
			}
			if c.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			f := wantFailure(t, err, c.code, c.class)
			if !strings.Contains(f.Detail+f.Next, c.says) || strings.Contains(f.Detail, "\n") {
				t.Errorf("does not say %q on one line: %s; %s", c.says, f.Detail, f.Next)
			}
			if (f.Exists == "Orders_copy may exist on the server") != c.may {
				t.Errorf("of what exists it says %q", f.Exists)
			}
		})
	}
}

func TestWhatACopyAsksFor(t *testing.T) {
	for name, c := range map[string]struct {
		objective string
		pooled    bool
		want      string
	}{
		"as the source":             {"", false, `{"location":"uksouth","properties":{"createMode":"Copy","sourceDatabaseId":"/ids/Orders"},"sku":{"name":"S3"}}`},
		"an objective":              {"GP_Gen5_2", false, `{"location":"uksouth","properties":{"createMode":"Copy","sourceDatabaseId":"/ids/Orders"},"sku":{"name":"GP_Gen5_2"}}`},
		"in the source's pool":      {"", true, `{"location":"uksouth","properties":{"createMode":"Copy","elasticPoolId":"/pools/p","sourceDatabaseId":"/ids/Orders"}}`},
		"an objective, so no pool":  {"S3", true, `{"location":"uksouth","properties":{"createMode":"Copy","sourceDatabaseId":"/ids/Orders"},"sku":{"name":"S3"}}`},
		"an objective that is none": {"S3'", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := &plane{source: []string{"Online"}, target: []string{"", "Online"}, puts: []string{"taken"}, operation: []string{"Succeeded"}, pooled: c.pooled}
			err := management(t, p, nil).Copy(t.Context(), "Orders", "Orders_copy", c.objective, time.Minute)
			if c.want == "" {
				wantFailure(t, err, bacvault.CodeRequestMalformed, bacvault.Rejected)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{c.want}, p.bodies); diff != "" {
				t.Error("(-want +got):\n" + diff)
			}
		})
	}
}

// A cancelled run is no timeout, and tells what may exist once the request was sent.
func TestCancelledCopyByTheManagementPlane(t *testing.T) {
	for name, c := range map[string]struct {
		what string // the call that it is cancelled at
		n    int
		may  bool
	}{
		"before the request": {"GET Orders", 1, false},
		"in the request":     {"PUT", 1, true},
		"while it copies":    {"GET Orders_copy", 4, true},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			p := &plane{source: []string{"Online"}, target: []string{"", "Copying"}, puts: []string{"taken"}, operation: []string{"InProgress"}}
			p.calls = func(what string, n int) {
				if what == c.what && n == c.n {
					cancel(errors.New("lease lost"))
				}
			}
			err := management(t, p, nil).Copy(ctx, "Orders", "Orders_copy", "", time.Minute)
			if err == nil || !strings.Contains(err.Error(), "lease lost") || errors.As(err, new(*bacvault.Failure)) {
				t.Fatalf("error is %v", err)
			}
			if strings.Contains(err.Error(), "may exist") != c.may {
				t.Errorf("of what exists it says: %v", err)
			}
		})
	}
}

func TestDropByTheManagementPlane(t *testing.T) {
	for name, c := range map[string]struct {
		*plane
		code    bacvault.Code
		class   bacvault.Class
		deletes int
	}{
		"there":                   {plane: &plane{target: []string{"Online", "Online", "Online", ""}, deletes: []string{"taken"}}, deletes: 1},
		"not there":               {plane: &plane{target: []string{""}}},
		"copying":                 {plane: &plane{target: []string{"Copying", ""}, deletes: []string{"taken"}}, deletes: 1},
		"answer lost, yet gone":   {plane: &plane{target: []string{"Online", ""}, deletes: []string{"lost"}}, deletes: 1},
		"answer lost, and there":  {plane: &plane{target: []string{"Online", "Online", ""}, deletes: []string{"lost", "taken"}}, deletes: 2},
		"busy":                    {plane: &plane{target: []string{"Online", "Online", ""}, deletes: []string{"!409 ConflictingDatabaseOperation", "taken"}}, deletes: 2},
		"another took the name":   {plane: &plane{target: []string{"Online", "Online@later"}, deletes: []string{"lost"}}, code: bacvault.CodeSQLRefused, class: bacvault.Refused, deletes: 1},
		"may not":                 {plane: &plane{target: []string{"Online"}, deletes: []string{"!403 AuthorizationFailed"}}, code: bacvault.CodeSQLDenied, class: bacvault.Terminal, deletes: 1},
		"locked":                  {plane: &plane{target: []string{"Online"}, deletes: []string{"!409 ScopeLocked"}}, code: bacvault.CodeSQLRefused, class: bacvault.Terminal, deletes: 1},
		"lost each time":          {plane: &plane{target: []string{"Online"}, deletes: []string{"lost"}}, code: bacvault.CodeSQLUnreachable, class: bacvault.Retry, deletes: 5},
		"no server of that name":  {plane: &plane{target: []string{"!404 ServerNotInSubscription"}}, code: bacvault.CodeSQLNotFound, class: bacvault.Refused},
		"not readable after that": {plane: &plane{target: []string{"Online", "!500 X"}, deletes: []string{"taken"}}, code: bacvault.CodeSQLUnreachable, class: bacvault.Retry, deletes: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := management(t, c.plane, nil).Drop(t.Context(), "Orders_copy")
			if c.code != "" {
				wantFailure(t, err, c.code, c.class)
			} else if err != nil {
				t.Error(err)
			}
			if got := c.count("DELETE"); got != c.deletes {
				t.Errorf("deleted %d times, want %d", got, c.deletes)
			}
		})
	}
}

func TestManagementExists(t *testing.T) {
	m := management(t, &plane{source: []string{"Online"}, target: []string{""}}, nil)
	i, there, err := m.Exists(t.Context(), "Orders")
	if want := (azuresql.Info{Name: "Orders", State: "ONLINE", Created: created, Collation: "c"}); err != nil || !there || i != want {
		t.Errorf("%+v, %t, %v", i, there, err)
	}
	if _, there, err := m.Exists(t.Context(), "Nowhere"); err != nil || there {
		t.Errorf("%t, %v", there, err)
	}
	_, _, err = m.Exists(t.Context(), "master")
	wantFailure(t, err, bacvault.CodeRequestMalformed, bacvault.Rejected)
}

func TestManagementWithoutAToken(t *testing.T) {
	p := &plane{source: []string{"Online"}}
	err := management(t, p, errors.New("identity not found")).Copy(t.Context(), "Orders", "Orders_copy", "", time.Minute)
	if f := wantFailure(t, err, bacvault.CodeSQLDenied, bacvault.Retry); !strings.Contains(f.Next, "MANAGED_IDENTITY_CLIENT_ID") {
		t.Error(f.Next)
	}
	if len(p.n) > 0 {
		t.Errorf("asked %v", p.n)
	}
}

func TestManagementConfig(t *testing.T) {
	good := azuresql.ManagementConfig{SubscriptionID: "s", ResourceGroup: "g", Server: "srv", Credential: tokens{}}
	for name, change := range map[string]func(*azuresql.ManagementConfig){
		"no credential":   func(c *azuresql.ManagementConfig) { c.Credential = nil },
		"no subscription": func(c *azuresql.ManagementConfig) { c.SubscriptionID = "" },
		"no group":        func(c *azuresql.ManagementConfig) { c.ResourceGroup = "" },
		"no server":       func(c *azuresql.ManagementConfig) { c.Server = "" },
		"a host name":     func(c *azuresql.ManagementConfig) { c.Server = "srv.database.windows.net" },
	} {
		c := good
		change(&c)
		if _, err := azuresql.NewManagement(c); err == nil {
			t.Error(name + " is accepted")
		}
	}
	if _, err := azuresql.NewManagement(good); err != nil {
		t.Error(err)
	}
}
