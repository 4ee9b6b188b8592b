package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/storage/armstorage"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/bacvault/bacvault/internal/gate"
)

// plane is how the management plane is reached, as the product reaches it.
func (a *acceptance) plane() *arm.ClientOptions {
	public := cloud.AzurePublic.Services[cloud.ResourceManager]
	if a.cfg.ARMEndpoint != "" {
		public.Endpoint, public.Audience = a.cfg.ARMEndpoint, a.cfg.ARMAudience
	}
	return &arm.ClientOptions{DisableRPRegistration: true, ClientOptions: policy.ClientOptions{
		Retry: policy.RetryOptions{TryTimeout: tryLimit},
		Cloud: cloud.Configuration{
			ActiveDirectoryAuthorityHost: cloud.AzurePublic.ActiveDirectoryAuthorityHost,
			Services:                     map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: public},
		},
	}}
}

func (a *acceptance) containers() (*armstorage.BlobContainersClient, error) {
	return armstorage.NewBlobContainersClient(a.cfg.VaultSubscription, a.parts.Credential, a.plane())
}

// beside is another container of the vault's account.
func (a *acceptance) beside(name string) string {
	return strings.TrimSuffix(a.cfg.VaultURL(), path.Base(a.cfg.VaultURL())) + name
}

// noPolicy makes an empty container, looks at it as the product does and as a plain client does, and deletes it.
func (a *acceptance) noPolicy(ctx context.Context) (detail string, err error) {
	name := "bacvault-acceptance-" + a.stamp
	c, err := a.store(a.beside(name))
	if err != nil {
		return "", err
	}
	// Once: a second try would meet the first one's container, and take it for somebody else's.
	once := policy.WithRetryOptions(ctx, policy.RetryOptions{MaxRetries: -1, TryTimeout: tryLimit})
	mine := rand.Text()
	if _, err := c.Create(once, &container.CreateOptions{Metadata: map[string]*string{madeBy: &mine}}); err != nil {
		var refused *azcore.ResponseError
		switch {
		case !errors.As(err, &refused) || refused.StatusCode >= http.StatusInternalServerError:
			return "", errors.Join(err, a.settle(ctx, c, name, mine))
		case refused.StatusCode == http.StatusForbidden:
			return "", skipped("this identity may not make a container: 403 " + refused.ErrorCode)
		}
		return "", err
	}
	defer func() {
		if derr := drop(ctx, c); derr != nil {
			a.rep.Left = append(a.rep.Left, "container "+name)
			err = errors.Join(err, fmt.Errorf("the container %s is left: %w", name, derr))
		}
	}()
	client, err := a.containers()
	if err != nil {
		return "", err
	}
	var form string
	at := a.try(ctx, whatNoPolicy, noneAnswered, func(ctx context.Context) error {
		got, err := client.GetImmutabilityPolicy(ctx, a.cfg.VaultResourceGroup, a.cfg.VaultAccount, name, nil)
		if p := got.Properties; err == nil && p != nil {
			form = fmt.Sprintf("state %s, period %s, etag %q", told(p.State), told(p.ImmutabilityPeriodSinceCreationInDays), told(got.ETag))
		}
		return err
	})
	g, err := gate.New(gate.Config{
		ManagementEndpoint: a.cfg.ARMEndpoint, ManagementAudience: a.cfg.ARMAudience, SubscriptionID: a.cfg.VaultSubscription,
		ResourceGroup: a.cfg.VaultResourceGroup, Account: a.cfg.VaultAccount, Container: name, ContainerURL: a.beside(name), Credential: a.parts.Credential,
	})
	if err != nil {
		return "", err
	}
	p, err := g.Observe(ctx)
	detail = fmt.Sprintf("GetImmutabilityPolicy: %d %s %s; the gate: %s of %d days", at.Status, at.Code, form, p.State, p.PeriodDays)
	if err != nil {
		return detail, fmt.Errorf("the gate: %w", err)
	}
	a.answers[7] = detail
	if p.State != gate.StateNone {
		return detail, errors.New("the gate takes a container without a policy for one that has one")
	}
	return detail, nil
}

// madeBy is the metadata by which a run knows its own container: a name alone is no proof.
const madeBy = "bacvaultacceptance"

// settle looks whether a container came to be whose making nobody answered for, twice, since the service may still be at it, and
// deletes it if it is this run's.
func (a *acceptance) settle(ctx context.Context, c *container.Client, name, mine string) error {
	look := func() (there bool, err error) {
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), tryLimit)
		defer cancel()
		got, err := c.GetProperties(after, nil)
		switch {
		case gone(err):
			return false, nil
		case err != nil:
			a.rep.Left = append(a.rep.Left, "container "+name+", perhaps: whether it was made is not known")
			return false, fmt.Errorf("whether the container %s was made is not known: %w", name, err)
		}
		for k, v := range got.Metadata {
			if strings.EqualFold(k, madeBy) && v != nil && *v == mine {
				return true, nil
			}
		}
		return false, nil // somebody else's
	}
	there, err := look()
	if err == nil && !there {
		time.Sleep(a.late)
		there, err = look()
	}
	if err != nil || !there {
		return err
	}
	if err := drop(ctx, c); err != nil {
		a.rep.Left = append(a.rep.Left, "container "+name)
		return fmt.Errorf("the container %s is left: %w", name, err)
	}
	return nil
}

// drop deletes a container, also for a run that was cancelled. One that is gone, or going, is deleted: the client tries again
// where an answer was lost.
func drop(ctx context.Context, c *container.Client) error {
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), tryLimit)
	defer cancel()
	if _, err := c.Delete(after, nil); !gone(err) {
		return err
	}
	return nil
}

func gone(err error) bool {
	return bloberror.HasCode(err, bloberror.ContainerNotFound, bloberror.ContainerBeingDeleted)
}

func told[T any](p *T) string {
	if p == nil {
		return "absent"
	}
	return fmt.Sprint(*p)
}

// versionLevel looks at a container that the owner named, and changes nothing.
func (a *acceptance) versionLevel(ctx context.Context) (string, error) {
	if a.o.versioned == "" {
		return "", skipped("no --version-container was given")
	}
	c, err := a.store(a.beside(a.o.versioned))
	if err != nil {
		return "", err
	}
	at := a.try(ctx, whatVersions, answered, func(ctx context.Context) error { _, err := c.GetProperties(ctx, nil); return err })
	if at.Differs {
		return "", fmt.Errorf("%d %s %s", at.Status, at.Code, at.Error)
	}
	var said []string
	for _, h := range []string{"x-ms-has-immutability-policy", "x-ms-immutable-storage-with-versioning-enabled", "x-ms-has-legal-hold"} {
		v, there := at.Headers[h]
		if !there {
			v = "absent"
		}
		said = append(said, h+": "+v)
	}
	a.answers[5] = strings.Join(said, ", ")
	return a.answers[5], nil
}

// removePolicy takes the policy off the container and deletes what this run left there: only if it is still unlocked and of a
// day, and only with a flag.
func (a *acceptance) removePolicy(ctx context.Context) (string, error) {
	if !a.o.removal {
		return "", skipped("no --remove-policy was given: the blobs can be deleted a day after they were made, or once the policy is removed")
	}
	p, err := a.parts.Gate.Observe(ctx)
	switch {
	case err != nil:
		return "", err
	case p.State != gate.StateUnlocked || p.PeriodDays != 1 || p.PolicyETag == "":
		return "", fmt.Errorf("the policy is now %s of %d days; it was left alone", p.State, p.PeriodDays)
	}
	client, err := a.containers()
	if err != nil {
		return "", err
	}
	if _, err := client.DeleteImmutabilityPolicy(ctx, a.cfg.VaultResourceGroup, a.cfg.VaultAccount, a.cfg.VaultContainer, p.PolicyETag, nil); err != nil {
		return "", fmt.Errorf("remove the policy: %w", err)
	}
	n, err := a.deleteBlobs(ctx)
	detail := fmt.Sprintf("the policy was removed and %d blobs of this run were deleted; the container has NO policy now", n)
	return detail, err
}

func (a *acceptance) deleteBlobs(ctx context.Context) (n int, err error) {
	c, err := a.store(a.cfg.VaultURL())
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, prefix := range a.folders() {
		names, err := a.blobs(ctx, prefix)
		errs = append(errs, err)
		for _, name := range names {
			if _, err := c.NewBlobClient(name).Delete(ctx, nil); err != nil {
				errs = append(errs, fmt.Errorf("delete %s: %w", name, err))
				continue
			}
			n++
		}
	}
	return n, errors.Join(errs...)
}
