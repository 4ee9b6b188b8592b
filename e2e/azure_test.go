package e2e

import (
	"bytes"
	"context"
	"net"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
	"github.com/bacvault/bacvault/standin/roles"
)

// put writes a new blob into the vault as an administrator.
func (a *azure) put(name string, body []byte) {
	a.t.Helper()
	if _, err := a.admin(name).Upload(a.t.Context(), streaming.NopCloser(bytes.NewReader(body)), nil); err != nil {
		a.t.Fatal(err)
	}
}

// admin is a blob of the vault in an administrator's hands.
func (a *azure) admin(name string) *blockblob.Client {
	a.t.Helper()
	url := a.Blob.URL(a.Places.VaultAccount) + "/" + a.Places.VaultContainer + "/" + name
	c, err := blockblob.NewClient(url, a.Identity.Credential(roles.Admin), &blockblob.ClientOptions{ClientOptions: a.overTLS()})
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// overTLS trusts the stack's own authority.
func (a *azure) overTLS() policy.ClientOptions {
	return policy.ClientOptions{Transport: &http.Client{Transport: &http.Transport{TLSClientConfig: a.PKI.ClientTLS()}}}
}

// containers lists those of the vault's account whose names begin so.
func (a *azure) containers(prefix string) (names []string) {
	a.t.Helper()
	c, err := service.NewClient(a.Blob.URL(a.Places.VaultAccount), a.Identity.Credential(roles.Admin), &service.ClientOptions{ClientOptions: a.overTLS()})
	if err != nil {
		a.t.Fatal(err)
	}
	for pager := c.NewListContainersPager(&service.ListContainersOptions{Prefix: &prefix}); pager.More(); {
		page, err := pager.NextPage(a.t.Context())
		if err != nil {
			a.t.Fatal(err)
		}
		for _, item := range page.ContainerItems {
			names = append(names, *item.Name)
		}
	}
	return names
}

// deadLetters opens the dead letters of a queue as an administrator.
func (a *azure) deadLetters(ctx context.Context, queue string) (r *azservicebus.Receiver, done func()) {
	a.t.Helper()
	host, _, err := net.SplitHostPort(a.Bus.Addr())
	if err != nil {
		a.t.Fatal(err)
	}
	tls := a.PKI.ClientTLS()
	tls.ServerName = host
	c, err := azservicebus.NewClient(a.Bus.Addr(), a.Identity.Credential(roles.Admin), &azservicebus.ClientOptions{TLSConfig: tls})
	if err != nil {
		a.t.Fatal(err)
	}
	if r, err = c.NewReceiverForQueue(queue, &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter}); err != nil {
		a.t.Fatal(err)
	}
	return r, func() {
		if err := c.Close(ctx); err != nil {
			a.t.Errorf("close the client of the dead letters: %v", err)
		}
	}
}

// deadLetter gives reason and description of the first dead letter of a queue.
func (a *azure) deadLetter(queue string) (reason, description string) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	r, done := a.deadLetters(ctx, queue)
	defer done()
	ms, err := r.ReceiveMessages(ctx, 1, nil)
	if err != nil || len(ms) != 1 {
		a.t.Fatalf("%d dead letters, %v", len(ms), err)
	}
	if ms[0].DeadLetterReason == nil || ms[0].DeadLetterErrorDescription == nil {
		a.t.Fatalf("the dead letter has no reason or no description")
	}
	return *ms[0].DeadLetterReason, *ms[0].DeadLetterErrorDescription
}
