package blob_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"github.com/bacvault/bacvault/standin/azurite"
	"github.com/bacvault/bacvault/standin/blob"
	"github.com/bacvault/bacvault/standin/clock"
	"github.com/bacvault/bacvault/standin/faults"
	"github.com/bacvault/bacvault/standin/identity"
	"github.com/bacvault/bacvault/standin/pki"
	"github.com/bacvault/bacvault/standin/roles"
)

// One Azurite serves all tests: it takes a second to start. Each test has accounts of its own in it.
var store *azurite.Process

const maxAccounts = 4

var keys = map[string]string{}

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	for i := range maxAccounts {
		free <- i
		key, err := azurite.NewKey()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		keys[fmt.Sprintf("vault%02d", i)] = key
		keys[fmt.Sprintf("state%02d", i)] = key
	}
	var err error
	if store, err = azurite.Start(context.Background(), azurite.Config{Dir: "../azurite", Accounts: keys}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := store.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// free hands out a number of accounts to each test, and is filled in run.
var free = make(chan int, maxAccounts)

// claim takes a number of accounts for one test, and empties them afterwards for the next.
func claim(t *testing.T) int {
	t.Helper()
	select {
	case n := <-free:
		t.Cleanup(func() {
			empty(t, fmt.Sprintf("vault%02d", n))
			empty(t, fmt.Sprintf("state%02d", n))
			free <- n
		})
		return n
	default:
		t.Fatal("more stacks at once than accounts")
		return 0
	}
}

// empty goes to Azurite itself, where no policy holds.
func empty(t *testing.T, account string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	cred, err := service.NewSharedKeyCredential(account, keys[account])
	must(t, err)
	svc, err := service.NewClientWithSharedKeyCredential("http://"+store.Addr()+"/"+account, cred, nil)
	must(t, err)
	for pager := svc.NewListContainersPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		must(t, err)
		for _, item := range page.ContainerItems {
			_, err := svc.DeleteContainer(ctx, *item.Name, nil)
			must(t, err)
		}
	}
}

// stack is a gateway with identities, a vault container and a state container.
type stack struct {
	*blob.Server
	t      *testing.T
	ids    *identity.Server
	ca     *pki.Authority
	clock  *clock.Clock
	faults *faults.Plan
	places roles.Places
	http   *http.Client
}

func newStack(t *testing.T, change ...func(*blob.Config, *roles.Table)) *stack {
	t.Helper()
	n := claim(t)
	s := &stack{t: t, clock: &clock.Clock{}, faults: &faults.Plan{}, places: roles.Places{
		VaultAccount: fmt.Sprintf("vault%02d", n), VaultContainer: "backups",
		StateAccount: fmt.Sprintf("state%02d", n), StateContainer: "leases",
	}}
	var err error
	if s.ca, err = pki.New(t.TempDir(), time.Now()); err != nil {
		t.Fatal(err)
	}
	tlsConfig, err := s.ca.ServerTLS()
	if err != nil {
		t.Fatal(err)
	}
	if s.ids, err = identity.Start(identity.Config{Clients: roles.All(), Clock: s.clock, TokenLifetime: 400 * 24 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, s.ids.Close) })
	table := roles.For(s.places)
	cfg := blob.Config{TLS: tlsConfig, Azurite: store.Addr(), Accounts: keys, Clock: s.clock, Faults: s.faults,
		Authenticate: s.ids.Authenticate, Log: t.Logf}
	for _, f := range change {
		f(&cfg, &table)
	}
	cfg.Allow = table.Allow
	if s.Server, err = blob.Start(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, s.Close) })
	must(t, s.CreateContainer(t.Context(), s.places.VaultAccount, s.places.VaultContainer, blob.ContainerLevel))
	must(t, s.CreateContainer(t.Context(), s.places.StateAccount, s.places.StateContainer, blob.ContainerLevel))
	transport := &http.Transport{TLSClientConfig: s.ca.ClientTLS()}
	s.http = &http.Client{Transport: transport}
	t.Cleanup(transport.CloseIdleConnections)
	return s
}

func closing(t *testing.T, f func() error) {
	t.Helper()
	must(t, f())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// options are a client's: its transport trusts the stack, and it does not try again unless a test wants it to.
func (s *stack) options(retries int32) policy.ClientOptions {
	return policy.ClientOptions{Transport: s.http, Retry: policy.RetryOptions{MaxRetries: retries, RetryDelay: time.Millisecond}}
}

func (s *stack) container(who string) *container.Client {
	return s.containerOf(who, s.places.VaultAccount, s.places.VaultContainer, -1)
}

func (s *stack) state(who string) *container.Client {
	return s.containerOf(who, s.places.StateAccount, s.places.StateContainer, -1)
}

func (s *stack) containerOf(who, account, name string, retries int32) *container.Client {
	s.t.Helper()
	c, err := container.NewClient(s.URL(account)+"/"+name, s.ids.Credential(who), &container.ClientOptions{ClientOptions: s.options(retries)})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// protect gives the vault container a policy.
func (s *stack) protect(days int, locked bool) {
	s.t.Helper()
	must(s.t, s.Policies().Protect(s.places.VaultAccount, s.places.VaultContainer, days, locked))
}

func upload(ctx context.Context, c *blockblob.Client, text string) error {
	_, err := c.Upload(ctx, body(text), nil)
	return err
}

func body(text string) readSeekCloser { return streaming.NopCloser(strings.NewReader(text)) }

type readSeekCloser interface {
	Read([]byte) (int, error)
	Seek(int64, int) (int64, error)
	Close() error
}

func commit(ctx context.Context, c *blockblob.Client, text string, conditions *azblob.AccessConditions) error {
	const id = "YmxvY2stMDE="
	if _, err := c.StageBlock(ctx, id, body(text), &blockblob.StageBlockOptions{
		TransactionalValidation: azblob.TransferValidationTypeComputeCRC64()}); err != nil {
		return fmt.Errorf("stage: %w", err)
	}
	_, err := c.CommitBlockList(ctx, []string{id}, &blockblob.CommitBlockListOptions{AccessConditions: conditions})
	return err
}

func createOnly() *azblob.AccessConditions {
	return &azblob.AccessConditions{ModifiedAccessConditions: &azblob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}}
}

// wantCode fails the test unless err is the service's refusal with that code; "" wants no error.
func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	switch {
	case code == "" && err != nil:
		t.Errorf("refused: %v", err)
	case code != "" && !bloberror.HasCode(err, bloberror.Code(code)):
		t.Errorf("want %s, got %v", code, err)
	}
}

// syncedBuilder is a command's stdout that a test looks at while the command runs.
type syncedBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncedBuilder) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncedBuilder) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
