package azuresql

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/sql/armsql"

	"github.com/bacvault/bacvault/internal/bacvault"
)

const (
	// tryTimeout bounds one try of one call; azcore has no bound of its own.
	tryTimeout = 30 * time.Second
	// dropLimit bounds the wait for a dropped database to be gone.
	dropLimit = 10 * time.Minute
)

// The rights that the management plane asks for, as its documentation names them.
const (
	actionRead   = "Microsoft.Sql/servers/databases/read"
	actionWrite  = "Microsoft.Sql/servers/databases/write"
	actionDelete = "Microsoft.Sql/servers/databases/delete"
)

// ManagementConfig is what a Management needs.
type ManagementConfig struct {
	// Endpoint and Audience are those of the cloud; empty is the public cloud.
	Endpoint, Audience string
	// SubscriptionID and ResourceGroup are those of the logical server, Server is its short name.
	SubscriptionID, ResourceGroup, Server string
	Credential                            azcore.TokenCredential
	// Poll lies between two looks at a database that comes or goes; 5 s.
	Poll time.Duration
	// Transport is for tests; nil is azcore's.
	Transport policy.Transporter
}

// Management is the same logical server in Azure Resource Manager. Copies by T-SQL are not supported over a private
// endpoint, copies by this plane are, and they need no right inside the server.
type Management struct {
	cfg    ManagementConfig
	reads  *armsql.DatabasesClient
	writes *armsql.DatabasesClient // never tries again by itself: a PUT whose answer was lost may have been taken

	retention retentionPlane
}

// NewManagement checks the configuration; it calls nobody yet.
func NewManagement(cfg ManagementConfig) (*Management, error) {
	if cfg.Credential == nil {
		return nil, errors.New("azuresql: no credential for the management plane")
	}
	if cfg.SubscriptionID == "" || cfg.ResourceGroup == "" || cfg.Server == "" {
		return nil, errors.New("azuresql: the management plane needs the subscription, the resource group and the short name of the server")
	}
	if strings.Contains(cfg.Server, ".") {
		return nil, fmt.Errorf("azuresql: %q is no short name of a server", cfg.Server)
	}
	if cfg.Poll <= 0 {
		cfg.Poll = 5 * time.Second
	}
	m := &Management{cfg: cfg}
	cred := credential{cfg.Credential}
	reads, writes := cfg.options(3), cfg.options(-1)
	var errs [3]error
	m.reads, errs[0] = armsql.NewDatabasesClient(cfg.SubscriptionID, cred, reads)
	m.writes, errs[1] = armsql.NewDatabasesClient(cfg.SubscriptionID, cred, writes)
	m.retention, errs[2] = newRetentionPlane(cfg.SubscriptionID, cred, reads, writes)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("azuresql: management plane: %w", err)
	}
	return m, nil
}

// options are those of every client. Registering resource providers is no business of ours; the policy would ask for it on some
// refusals.
func (c ManagementConfig) options(retries int32) *arm.ClientOptions {
	return &arm.ClientOptions{DisableRPRegistration: true, ClientOptions: policy.ClientOptions{
		Transport: c.Transport, Cloud: c.cloud(),
		Retry: policy.RetryOptions{MaxRetries: retries, TryTimeout: tryTimeout, RetryDelay: min(c.Poll, 4*time.Second)},
	}}
}

func (c ManagementConfig) cloud() cloud.Configuration {
	plane := cloud.AzurePublic.Services[cloud.ResourceManager]
	if c.Endpoint != "" {
		plane.Endpoint = c.Endpoint
	}
	if c.Audience != "" {
		plane.Audience = c.Audience
	}
	return cloud.Configuration{
		ActiveDirectoryAuthorityHost: cloud.AzurePublic.ActiveDirectoryAuthorityHost,
		Services:                     map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: plane},
	}
}

// Exists reads one database; false without an error says that it is not there. State is in the words of sys.databases.
func (m *Management) Exists(ctx context.Context, db string) (Info, bool, error) {
	if err := checkName(db); err != nil {
		return Info{}, false, err
	}
	found, there, err := m.get(ctx, db)
	return infoOf(found), there, m.failure(ctx, "read database "+db, actionRead, err)
}

// get reads one database. A server that is not there is an error, a database that is not there is not.
func (m *Management) get(ctx context.Context, db string) (armsql.Database, bool, error) {
	got, err := m.reads.Get(ctx, m.cfg.ResourceGroup, m.cfg.Server, db, nil)
	var refused *azcore.ResponseError
	if errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound && !noServer[refused.ErrorCode] {
		return armsql.Database{}, false, nil
	}
	return got.Database, err == nil, err
}

func infoOf(d armsql.Database) Info {
	i := Info{Name: value(d.Name)}
	if p := d.Properties; p != nil {
		i.State, i.Created, i.Collation = strings.ToUpper(string(value(p.Status))), value(p.CreationDate).UTC(), value(p.Collation)
	}
	return i
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// Drop drops a database and waits until it is gone; one that is not there is dropped. It never drops a database that was
// created under the name in between.
func (m *Management) Drop(ctx context.Context, db string) error {
	what := "drop " + db
	first, there, err := m.Exists(ctx, db)
	if err != nil || !there {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, dropLimit, errWaitOver)
	defer cancel()
	var lost error // of the last try; nil is a request that was taken
	for sends := 0; ; {
		if lost != nil && sends == mostSends {
			return m.failure(ctx, what, actionDelete, lost)
		}
		if sends == 0 || lost != nil {
			sends++
			if _, lost = m.writes.BeginDelete(ctx, m.cfg.ResourceGroup, m.cfg.Server, db, nil); refused(lost) {
				return m.failure(ctx, what, actionDelete, lost)
			}
		}
		wait := m.cfg.Poll
		if lost != nil { // a copy that is still made may hold the drop off for a while
			wait = max(min(wait<<(sends-1), time.Minute), retryAfter(lost))
		}
		if err := sleep(ctx, wait); errors.Is(err, errWaitOver) {
			return bacvault.Fail(bacvault.CodeSQLUnreachable, "%s: the service took the request and did not end it within %s", what, dropLimit)
		} else if err != nil {
			return m.failure(ctx, what, actionDelete, err)
		}
		now, there, err := m.Exists(ctx, db)
		switch {
		case err != nil:
			return errors.Join(m.failure(ctx, what, actionDelete, lost), err)
		case !there:
			return nil
		case !now.Created.Equal(first.Created):
			f := bacvault.Fail(bacvault.CodeSQLRefused, "%s: another database has taken the name; it was left alone", what)
			f.Class = bacvault.Refused
			return f
		}
	}
}

// credential marks the errors of the token source, which has tried again itself.
type credential struct{ azcore.TokenCredential }

// GetToken is the inner one's.
func (c credential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	t, err := c.TokenCredential.GetToken(ctx, o)
	if err != nil {
		return t, &tokenError{err}
	}
	return t, nil
}
