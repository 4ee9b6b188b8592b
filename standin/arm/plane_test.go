package arm_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azarm "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/storage/armstorage"
	"github.com/bacvault/bacvault/standin/arm"
	"github.com/bacvault/bacvault/standin/blob"
	"github.com/bacvault/bacvault/standin/clock"
	"github.com/bacvault/bacvault/standin/faults"
	"github.com/bacvault/bacvault/standin/identity"
	"github.com/bacvault/bacvault/standin/pki"
	"github.com/bacvault/bacvault/standin/roles"
)

const (
	subscription = "b0000000-0000-4000-8000-0000000000aa"
	group        = "backups"
	account      = "bacvaultvault"
	container    = "sql-backups"
)

// plane is a management plane with a container in it, and the real clients' way to it.
type plane struct {
	*arm.Server
	t        *testing.T
	ids      *identity.Server
	policies *blob.Policies
	faults   *faults.Plan
	clock    *clock.Clock
	http     *http.Client
}

func newPlane(t *testing.T, change ...func(*arm.Config)) *plane {
	t.Helper()
	p := &plane{t: t, policies: blob.NewPolicies(nil), faults: &faults.Plan{}, clock: &clock.Clock{}}
	ca, err := pki.New(t.TempDir(), time.Now())
	must(t, err)
	tlsConfig, err := ca.ServerTLS()
	must(t, err)
	p.ids, err = identity.Start(identity.Config{Clients: roles.All()})
	must(t, err)
	t.Cleanup(func() { must(t, p.ids.Close()) })
	p.policies.Add(account, container, blob.ContainerLevel)
	cfg := arm.Config{TLS: tlsConfig, Subscription: subscription, ResourceGroup: group, Accounts: []string{account},
		Policies: p.policies, Faults: p.faults, Clock: p.clock, Authenticate: p.ids.Authenticate, Allow: roles.Default().Allow, Log: t.Logf,
		CreateContainer: func(_ context.Context, account, name string, kind blob.Kind) error {
			p.policies.Add(account, name, kind)
			return nil
		},
		DeleteContainer: func(_ context.Context, account, name string) error {
			p.policies.Remove(account, name)
			return nil
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	p.Server, err = arm.Start(cfg)
	must(t, err)
	t.Cleanup(func() { must(t, p.Close()) })
	transport := &http.Transport{TLSClientConfig: ca.ClientTLS()}
	t.Cleanup(transport.CloseIdleConnections)
	p.http = &http.Client{Transport: transport}
	return p
}

func (p *plane) options(audience string, retries int32) *azarm.ClientOptions {
	return &azarm.ClientOptions{ClientOptions: policy.ClientOptions{
		Transport: p.http,
		Retry:     policy.RetryOptions{MaxRetries: retries, RetryDelay: time.Millisecond},
		Cloud: cloud.Configuration{Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {Endpoint: p.Endpoint(), Audience: audience},
		}},
	}}
}

func (p *plane) client(who string) *armstorage.BlobContainersClient {
	p.t.Helper()
	c, err := armstorage.NewBlobContainersClient(subscription, p.ids.Credential(who), p.options("https://management.azure.com", -1))
	must(p.t, err)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, status int, code string) {
	t.Helper()
	var refused *azcore.ResponseError
	if !errors.As(err, &refused) || refused.StatusCode != status || refused.ErrorCode != code {
		t.Errorf("want %d %s, got %v", status, code, err)
	}
}

func days(n int32) *armstorage.ImmutabilityPolicy {
	return &armstorage.ImmutabilityPolicy{Properties: &armstorage.ImmutabilityPolicyProperty{ImmutabilityPeriodSinceCreationInDays: to.Ptr(n)}}
}

func put(n int32) *armstorage.BlobContainersClientCreateOrUpdateImmutabilityPolicyOptions {
	return &armstorage.BlobContainersClientCreateOrUpdateImmutabilityPolicyOptions{Parameters: days(n)}
}

func extend(n int32) *armstorage.BlobContainersClientExtendImmutabilityPolicyOptions {
	return &armstorage.BlobContainersClientExtendImmutabilityPolicyOptions{Parameters: days(n)}
}
