package blob_test

import (
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/bacvault/bacvault/standin/blob"
	"github.com/bacvault/bacvault/standin/roles"
)

func TestVersionsHavePoliciesOfTheirOwn(t *testing.T) {
	s := newStack(t)
	ctx := t.Context()
	account := s.places.VaultAccount
	must(t, s.CreateContainer(ctx, account, "versions", blob.VersionLevel))
	must(t, s.Policies().Protect(account, "versions", 10, false))
	c := s.containerOf(roles.Admin, account, "versions", -1)
	b := c.NewBlockBlobClient("b")
	made, err := b.Upload(ctx, body("1"), nil)
	must(t, err)
	over, err := b.Upload(ctx, body("2"), nil)
	must(t, err)
	if made.VersionID == nil || over.VersionID == nil || *made.VersionID == *over.VersionID || s.Versions(account, "versions", "b") != 2 {
		t.Errorf("versions %v and %v, %d in all", made.VersionID, over.VersionID, s.Versions(account, "versions", "b"))
	}
	p, err := b.GetProperties(ctx, nil)
	must(t, err)
	until := s.clock.Now().Add(10 * 24 * time.Hour)
	if p.ImmutabilityPolicyExpiresOn == nil || p.ImmutabilityPolicyExpiresOn.Sub(until).Abs() > 5*time.Second ||
		*p.ImmutabilityPolicyMode != azblob.ImmutabilityPolicyModeUnlocked || *p.VersionID != *over.VersionID {
		t.Errorf("the default gave %v %v %v", p.ImmutabilityPolicyExpiresOn, p.ImmutabilityPolicyMode, p.VersionID)
	}
	day := 24 * time.Hour
	set := func(d time.Duration, mode azblob.ImmutabilityPolicySetting) error {
		_, err := b.SetImmutabilityPolicy(ctx, s.clock.Now().Add(d), &azblob.SetImmutabilityPolicyOptions{Mode: &mode})
		return err
	}
	remove := func() error { _, err := b.Delete(ctx, nil); return err }
	wantCode(t, set(-day, azblob.ImmutabilityPolicySettingUnlocked), "InvalidHeaderValue")
	wantCode(t, set(2*day, azblob.ImmutabilityPolicySettingUnlocked), "") // unlocked may be shortened
	wantCode(t, set(3*day, azblob.ImmutabilityPolicySettingLocked), "")
	wantCode(t, set(2*day, azblob.ImmutabilityPolicySettingLocked), "BlobImmutableDueToPolicy")
	_, err = b.DeleteImmutabilityPolicy(ctx, nil)
	wantCode(t, err, "ImmutabilityPolicyDeleteOnLockedPolicy")
	wantCode(t, remove(), "BlobImmutableDueToPolicy")
	s.clock.Advance(4 * day)
	_, err = b.SetLegalHold(ctx, true, nil)
	must(t, err)
	wantCode(t, remove(), "BlobImmutableDueToLegalHold")
	_, err = b.SetLegalHold(ctx, false, nil)
	must(t, err)
	wantCode(t, remove(), "")

	hold := &blockblob.UploadOptions{LegalHold: to.Ptr(true)}
	_, err = c.NewBlockBlobClient("held").Upload(ctx, body("x"), hold)
	must(t, err)
	_, err = c.NewBlobClient("held").Delete(ctx, nil)
	wantCode(t, err, "BlobImmutableDueToPolicy") // the container's default protects it first
	page, err := c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
		Include: container.ListBlobsInclude{ImmutabilityPolicy: true, LegalHold: true}}).NextPage(ctx)
	must(t, err)
	if item := page.Segment.BlobItems[0].Properties; item.ImmutabilityPolicyExpiresOn == nil || item.LegalHold == nil || !*item.LegalHold {
		t.Errorf("listed %+v", item)
	}
	_, err = s.containerOf(roles.Admin, account, s.places.VaultContainer, -1).NewBlockBlobClient("x").Upload(ctx, body("x"), hold)
	wantCode(t, err, "ImmutableStorageWithVersioningNotEnabled")
}
