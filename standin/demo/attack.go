package demo

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/storage/armstorage"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/stack"
)

// attack tries to overwrite and delete what was stored: as the backup identity, which lacks the right to delete, and as an
// administrator, whom only the locked policy stops.
func (d *demo) attack(ctx context.Context) error {
	ev := d.all.All()[0]
	for _, name := range []string{ev.Data.Blob.Name, strings.TrimSuffix(ev.Data.Blob.Name, ".bacpac") + ".manifest.json"} {
		before, err := d.bytes(ctx, name)
		if err != nil {
			return err
		}
		for _, a := range []struct {
			who, client string
			deleteBy    string // the code that refuses the delete
		}{
			{"the backup identity", roles.Backup, "AuthorizationPermissionMismatch"},
			{"an administrator", roles.Admin, "BlobImmutableDueToPolicy"},
		} {
			c, err := d.blobClient(a.client, name)
			if err != nil {
				return err
			}
			for _, try := range []struct {
				what, want string
				do         func() error
			}{
				{"overwrite (Put Blob)", "BlobImmutableDueToPolicy", func() error {
					_, err := c.Upload(ctx, body("gone"), nil)
					return err
				}},
				{"overwrite (Put Block List)", "BlobImmutableDueToPolicy", func() error { return overwriteByBlocks(ctx, c) }},
				{"delete", a.deleteBy, func() error { _, err := c.Delete(ctx, nil); return err }},
			} {
				if err := d.refused(a.who, try.what+" of "+name, try.want, try.do()); err != nil {
					return err
				}
			}
		}
		if after, err := d.bytes(ctx, name); err != nil || after != before {
			return fmt.Errorf("%s is not what it was (error %v)", name, err)
		}
	}
	return d.attackPolicy(ctx)
}

// attackPolicy tries to take the lock away, as the administrator who could do anything else.
func (d *demo) attackPolicy(ctx context.Context) error {
	opts := &arm.ClientOptions{ClientOptions: policy.ClientOptions{
		Transport: d.client(),
		Cloud: cloud.Configuration{Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {Endpoint: "https://" + d.stack.ARM.Addr(), Audience: "https://management.azure.com/"},
		}},
	}, DisableRPRegistration: true}
	c, err := armstorage.NewBlobContainersClient(stack.Subscription, d.stack.Identity.Credential(roles.Admin), opts)
	if err != nil {
		return err
	}
	account, container := d.stack.Places.VaultAccount, d.stack.Places.VaultContainer
	now, err := c.GetImmutabilityPolicy(ctx, stack.ResourceGroup, account, container, nil)
	if err != nil {
		return err
	}
	_, err = c.DeleteImmutabilityPolicy(ctx, stack.ResourceGroup, account, container, *now.ETag, nil)
	if err := d.refused("an administrator", "removal of the container's policy", "", err); err != nil {
		return err
	}
	_, err = c.ExtendImmutabilityPolicy(ctx, stack.ResourceGroup, account, container, *now.ETag, &armstorage.BlobContainersClientExtendImmutabilityPolicyOptions{
		Parameters: &armstorage.ImmutabilityPolicy{Properties: &armstorage.ImmutabilityPolicyProperty{ImmutabilityPeriodSinceCreationInDays: to.Ptr[int32](1)}},
	})
	return d.refused("an administrator", "shortening of the policy to one day", "", err)
}

// refused says how a try ended. Without a wanted code any refusal of the service will do, but nothing else.
func (d *demo) refused(who, what, want string, err error) error {
	var re *azcore.ResponseError
	if !errors.As(err, &re) {
		return fmt.Errorf("%s by %s was not refused by the service: %v", what, who, err)
	}
	if want != "" && re.ErrorCode != want || re.StatusCode < 400 || re.StatusCode >= 500 {
		return fmt.Errorf("%s by %s was answered %d %s, not refused with %s", what, who, re.StatusCode, re.ErrorCode, want)
	}
	by := "policy"
	if re.StatusCode == http.StatusForbidden {
		by = "right"
	}
	d.say("%s by %s: refused by %s, %d %s", what, who, by, re.StatusCode, re.ErrorCode)
	return nil
}

func (d *demo) client() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: d.stack.PKI.ClientTLS()}}
}

func (d *demo) blobClient(client, name string) (*blockblob.Client, error) {
	url := d.stack.Blob.URL(d.stack.Places.VaultAccount) + "/" + d.stack.Places.VaultContainer + "/" + name
	return blockblob.NewClient(url, d.stack.Identity.Credential(client), &blockblob.ClientOptions{ClientOptions: policy.ClientOptions{Transport: d.client()}})
}

func overwriteByBlocks(ctx context.Context, c *blockblob.Client) error {
	const id = "AAAAAAAA"
	if _, err := c.StageBlock(ctx, id, body("gone"), nil); err != nil {
		return err
	}
	_, err := c.CommitBlockList(ctx, []string{id}, nil)
	return err
}

func (d *demo) bytes(ctx context.Context, name string) ([sha256.Size]byte, error) {
	b, err := d.stack.Blob.Read(ctx, d.stack.Places.VaultAccount, d.stack.Places.VaultContainer, name)
	return sha256.Sum256(b), err
}

func body(s string) interface {
	Read([]byte) (int, error)
	Seek(int64, int) (int64, error)
	Close() error
} {
	return streaming.NopCloser(strings.NewReader(s))
}
