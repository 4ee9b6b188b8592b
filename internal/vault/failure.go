package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// The data actions that Azure demands for each call
// (https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory).
const (
	rightRead  = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
	rightWrite = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write"
	rightAdd   = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action"
)

const (
	nothingStored = "no blob was stored; staged blocks lapse by themselves"
	nothingRead   = "nothing in the vault was changed"
)

// call is one call to the store as its failure is told.
type call struct {
	doing  string        // "stage block 3 of 7 of a/b.bacpac"
	right  string        // the data action that it needs
	code   bacvault.Code // for faults that nothing more exact is known of
	exists string
}

func reading(format string, args ...any) call {
	return call{fmt.Sprintf(format, args...), rightRead, bacvault.CodeVaultRead, nothingRead}
}

func writing(right, format string, args ...any) call {
	return call{fmt.Sprintf(format, args...), right, bacvault.CodeVaultWrite, nothingStored}
}

// failure translates an error of the SDK, once. A cancelled context keeps its cause: a lost lease stays a lost lease.
func (v *Vault) failure(ctx context.Context, c call, err error) error {
	var f *bacvault.Failure
	switch {
	case errors.As(err, &f):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", c.doing, context.Cause(ctx))
	}
	f = v.classify(c, err)
	f.Err = err
	if f.Exists == "" {
		f.Exists = c.exists
	}
	return f
}

func (v *Vault) classify(c call, err error) *bacvault.Failure {
	where := fmt.Sprintf("%s in container %s of account %s", c.doing, v.container, v.account)
	switch status := statusOf(err); {
	case bloberror.HasCode(err, bloberror.LeaseIDMissing, bloberror.LeaseAlreadyPresent):
		f := bacvault.Fail(c.code, "%s: another program holds a lease on this name (%s)", where, brief(err))
		f.Next = "Find out who leases blobs in the vault, for bacvault does not; break the lease with az storage blob lease break."
		return f
	case bloberror.HasCode(err, "ContainerImmutabilityPolicyLocked", "ContainerHasLegalHold", bloberror.ImmutabilityPolicyDeleteOnLockedPolicy):
		f := bacvault.Fail(c.code, "%s: the container's policy forbids this call, which is none of ours (%s)", where, brief(err))
		f.Class, f.Next = bacvault.Terminal, "Nothing here deletes a container or a policy: look for a proxy between this host and the store, and report the fault."
		return f
	case status == http.StatusPreconditionFailed && c.code == bacvault.CodeVaultRead:
		return bacvault.Fail(bacvault.CodeVaultRead, "%s: the blob changed while it was read (%s)", where, brief(err))
	case taken(err):
		return bacvault.Fail(bacvault.CodeVaultConflict, "%s: the name is taken already (%s)", where, brief(err))
	case bloberror.HasCode(err, bloberror.AuthorizationFailure):
		// The store answers AuthorizationFailure both to a missing right and to a network rule that shuts the caller out.
		return bacvault.Fail(bacvault.CodeVaultDenied, "%s: refused; either the identity lacks %s or the account's network rules shut this host out (%s)",
			where, c.right, brief(err))
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return bacvault.Fail(bacvault.CodeVaultDenied, "%s: the identity lacks %s (%s)", where, c.right, brief(err))
	case bloberror.HasCode(err, bloberror.ContainerNotFound):
		f := bacvault.Fail(bacvault.CodeVaultMissing, "%s: the container does not exist (%s)", where, brief(err))
		f.Next = "Check STORAGE_ACCOUNT_NAME and STORAGE_CONTAINER_NAME."
		return f
	case status == http.StatusNotFound:
		return bacvault.Fail(bacvault.CodeVaultMissing, "%s: there is no such blob (%s)", where, brief(err))
	case bloberror.HasCode(err, bloberror.BlobArchived, bloberror.BlobBeingRehydrated):
		f := bacvault.Fail(bacvault.CodeVaultRead, "%s: the blob is archived (%s)", where, brief(err))
		f.Class, f.Next = bacvault.Refused, "Set the blob's tier to Hot, wait until it is rehydrated (hours), and ask again."
		return f
	case bloberror.HasCode(err, bloberror.InvalidBlobOrBlock):
		return leftBlocks(c, "%s: uncommitted blocks that another program left under this name have ids of another length (%s)", where, brief(err))
	case bloberror.HasCode(err, bloberror.BlockCountExceedsLimit):
		return leftBlocks(c, "%s: more uncommitted blocks lie under this name than the store takes (%s)", where, brief(err))
	}
	return bacvault.Fail(c.code, "%s: %s", where, brief(err))
}

// leftBlocks is a name that can't be used until the store forgets what was left under it.
func leftBlocks(c call, format string, args ...any) *bacvault.Failure {
	f := bacvault.Fail(c.code, format, args...)
	f.Class, f.Next = bacvault.Terminal, "Request a backup for another slot; the store drops the old blocks a week after the last one was written."
	return f
}

// taken says that the name is in use. Which of the codes wins when a protected blob exists and If-None-Match: * was sent is
// not documented; all mean the same to us. UnauthorizedBlobOverwrite is a 403: who may only create meets it.
func taken(err error) bool {
	return bloberror.HasCode(err, bloberror.BlobAlreadyExists, bloberror.BlobImmutableDueToPolicy, "BlobImmutableDueToLegalHold",
		"BlobHasBeenModified", bloberror.UnauthorizedBlobOverwrite, bloberror.ConditionNotMet)
}

// absent says that a blob is not there. A HEAD's 404 may come without a code, so the status decides; a container that is
// not there is another matter.
func absent(err error) bool {
	return statusOf(err) == http.StatusNotFound && !bloberror.HasCode(err, bloberror.ContainerNotFound)
}

// statusOf is the HTTP status of the store's answer, 0 if there was none.
func statusOf(err error) int {
	var re *azcore.ResponseError
	if errors.As(err, &re) {
		return re.StatusCode
	}
	return 0
}

// brief is an error in one line: azcore's own text runs over twenty lines.
func brief(err error) string {
	var re *azcore.ResponseError
	if !errors.As(err, &re) {
		return err.Error()
	}
	id := ""
	if re.RawResponse != nil {
		id = re.RawResponse.Header.Get("x-ms-request-id")
	}
	return fmt.Sprintf("%d %s, request %s", re.StatusCode, re.ErrorCode, id)
}
