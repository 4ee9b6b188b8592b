package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/storage/armstorage"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// MaxDays is the longest period that Azure takes: 400 years.
const MaxDays = 146000

// What a person needs for an hour to change a policy. Neither app has it.
const (
	rightLock   = "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/lock/action"
	rightExtend = "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/extend/action"
)

// ErrUnsettled says that a change may have been made or not: the answer was lost, or said nothing of it. Read the policy.
var ErrUnsettled = errors.New("it is not known whether the policy was changed")

// Lock makes the policy permanent, if it still has the ETag. It can't be undone.
func (g *Gate) Lock(ctx context.Context, etag string) error {
	return g.change(ctx, "lock", rightLock, etag, func(ctx context.Context) error {
		_, err := g.management.LockImmutabilityPolicy(ctx, g.cfg.ResourceGroup, g.cfg.Account, g.cfg.Container, etag, nil)
		return err
	})
}

// Extend gives a locked policy a longer period, if it still has the ETag. It can't be undone, and Azure takes five in a policy's life.
func (g *Gate) Extend(ctx context.Context, etag string, days int) error {
	if days < 1 || days > MaxDays {
		return bacvault.Fail(bacvault.CodePolicyRefused, "a period is 1 to %d days, not %d", MaxDays, days)
	}
	return g.change(ctx, "extend", rightExtend, etag, func(ctx context.Context) error {
		_, err := g.management.ExtendImmutabilityPolicy(ctx, g.cfg.ResourceGroup, g.cfg.Account, g.cfg.Container, etag,
			&armstorage.BlobContainersClientExtendImmutabilityPolicyOptions{Parameters: &armstorage.ImmutabilityPolicy{
				Properties: &armstorage.ImmutabilityPolicyProperty{ImmutabilityPeriodSinceCreationInDays: to.Ptr(int32(days))},
			}})
		return err
	})
}

// change sends once. A second try after a lost answer would carry an ETag that our own change has made stale, and call it somebody
// else's.
func (g *Gate) change(ctx context.Context, what, right, etag string, send func(context.Context) error) error {
	switch {
	case g.management == nil:
		return bacvault.Fail(bacvault.CodePolicyRefused, "there is no management plane here, and no other way to %s a policy", what)
	case etag == "" || etag == string(azcore.ETagAny):
		return bacvault.Fail(bacvault.CodePolicyRefused, "without the policy's ETag another policy could be changed than the one that was read")
	case ctx.Err() != nil:
		return fmt.Errorf("%s the policy: %w", what, context.Cause(ctx))
	}
	if err := send(policy.WithRetryOptions(ctx, policy.RetryOptions{MaxRetries: -1, TryTimeout: tryTimeout})); err != nil {
		return g.unchanged(what, right, err)
	}
	return nil
}

// unchanged goes by the status: the codes of refused policy changes are documented nowhere.
func (g *Gate) unchanged(what, right string, err error) error {
	where := fmt.Sprintf("%s the policy of container %s of account %s", what, g.cfg.Container, g.cfg.Account)
	var re *azcore.ResponseError
	if !errors.As(err, &re) || re.StatusCode == http.StatusRequestTimeout || re.StatusCode >= http.StatusInternalServerError || re.StatusCode < http.StatusMultipleChoices {
		return fmt.Errorf("%s: %w (%s)", where, ErrUnsettled, brief(err))
	}
	f := bacvault.Fail(bacvault.CodePolicyRefused, "%s: the service refused: %s", where, told(re))
	switch re.StatusCode {
	case http.StatusPreconditionFailed:
		f = bacvault.Fail(bacvault.CodePolicyChanged, "%s: it is not the policy any more that the plan was made from (%s)", where, brief(err))
	case http.StatusForbidden, http.StatusUnauthorized:
		f = bacvault.Fail(bacvault.CodeVaultDenied, "%s: the identity lacks %s (%s)", where, right, brief(err))
		f.Next = "Have it granted on the container for an hour, as docs/permissions.md says."
	case http.StatusNotFound:
		f = bacvault.Fail(bacvault.CodeGateNoPolicy, "%s: there is no such container or policy any more (%s)", where, brief(err))
	case http.StatusTooManyRequests:
		f = bacvault.Fail(bacvault.CodePolicyFailed, "%s: the management plane is too busy (%s)", where, brief(err))
	}
	f.Err, f.Exists = err, "the policy was not changed by this command"
	return f
}

// told is a refusal with the service's own sentence, which says more than its code.
func told(re *azcore.ResponseError) string {
	var body struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	text := brief(re)
	if re.RawResponse == nil {
		return text
	}
	b, err := runtime.Payload(re.RawResponse)
	if err != nil || json.Unmarshal(b, &body) != nil || body.Error.Message == "" {
		return text
	}
	message, _, _ := strings.Cut(body.Error.Message, "\n")
	return text + ", " + strings.ToValidUTF8(message[:min(len(message), 300)], "")
}
