package arm_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/storage/armstorage"
	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/standin/arm"
	"github.com/bacvault/bacvault/standin/faults"
	"github.com/bacvault/bacvault/standin/roles"
)

func TestLifeOfAPolicy(t *testing.T) {
	p := newPlane(t)
	ctx, c := t.Context(), p.client(roles.Admin)

	made, err := c.CreateOrUpdateImmutabilityPolicy(ctx, group, account, container, put(3))
	must(t, err)
	if made.ETag == nil || *made.ETag != *made.ImmutabilityPolicy.Etag || *made.Properties.State != armstorage.ImmutabilityPolicyStateUnlocked {
		t.Fatalf("made %+v", made)
	}
	changed, err := c.CreateOrUpdateImmutabilityPolicy(ctx, group, account, container, put(7))
	must(t, err)
	_, err = c.LockImmutabilityPolicy(ctx, group, account, container, *made.ETag, nil)
	wantCode(t, err, 412, "ContainerImmutabilityPolicyFailure") // the ETag of before the change
	_, err = c.ExtendImmutabilityPolicy(ctx, group, account, container, *changed.ETag, extend(9))
	wantCode(t, err, 409, "ContainerImmutabilityPolicyNotLocked")

	lock, err := c.LockImmutabilityPolicy(ctx, group, account, container, *changed.ETag, nil)
	must(t, err)
	_, err = c.CreateOrUpdateImmutabilityPolicy(ctx, group, account, container, put(1))
	wantCode(t, err, 409, "ContainerImmutabilityPolicyLocked")
	_, err = c.DeleteImmutabilityPolicy(ctx, group, account, container, *lock.ETag, nil)
	wantCode(t, err, 409, "ContainerImmutabilityPolicyLocked")
	_, err = c.ExtendImmutabilityPolicy(ctx, group, account, container, *lock.ETag, extend(6))
	wantCode(t, err, 409, "ContainerImmutabilityPolicyLocked")
	tag := *lock.ETag
	for n := range int32(5) {
		longer, err := c.ExtendImmutabilityPolicy(ctx, group, account, container, tag, extend(8+n))
		must(t, err)
		tag = *longer.ETag
	}
	_, err = c.ExtendImmutabilityPolicy(ctx, group, account, container, tag, extend(99))
	wantCode(t, err, 409, "ContainerImmutabilityPolicyLocked")

	got, err := c.Get(ctx, group, account, container, nil)
	must(t, err)
	shown := got.ContainerProperties.ImmutabilityPolicy
	if *shown.Properties.State != armstorage.ImmutabilityPolicyStateLocked || *shown.Properties.ImmutabilityPeriodSinceCreationInDays != 12 || *shown.Etag != tag {
		t.Errorf("shown %+v", shown.Properties)
	}
	var history []string
	for _, u := range shown.UpdateHistory {
		history = append(history, string(*u.Update))
		if *u.ObjectIdentifier != roles.Admin {
			t.Errorf("an update by %s", *u.ObjectIdentifier)
		}
	}
	if diff := cmp.Diff([]string{"put", "lock", "extend", "extend", "extend", "extend", "extend"}, history); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

func TestUnlockedPolicyCanBeDeleted(t *testing.T) {
	p := newPlane(t)
	ctx, c := t.Context(), p.client(roles.Admin)
	made, err := c.CreateOrUpdateImmutabilityPolicy(ctx, group, account, container, put(3))
	must(t, err)
	_, err = c.DeleteImmutabilityPolicy(ctx, group, account, container, *made.ETag, nil)
	must(t, err)
	got, err := c.Get(ctx, group, account, container, nil)
	must(t, err)
	if got.ContainerProperties.ImmutabilityPolicy != nil || *got.ContainerProperties.HasImmutabilityPolicy {
		t.Error("the policy is still there")
	}
}

func TestMissingPolicy(t *testing.T) {
	ctx := t.Context()
	got, err := newPlane(t).client(roles.Backup).GetImmutabilityPolicy(ctx, group, account, container, nil)
	must(t, err)
	if *got.Properties.ImmutabilityPeriodSinceCreationInDays != 0 || *got.Properties.State != armstorage.ImmutabilityPolicyStateUnlocked {
		t.Errorf("no policy is shown as %+v", got.Properties)
	}
	strict := newPlane(t, func(c *arm.Config) { c.MissingPolicyIs404 = true })
	_, err = strict.client(roles.Backup).GetImmutabilityPolicy(ctx, group, account, container, nil)
	wantCode(t, err, 404, "ImmutabilityPolicyNotFound")
}

func TestLegalHold(t *testing.T) {
	p := newPlane(t)
	ctx, c := t.Context(), p.client(roles.Admin)
	tags := func(names ...string) armstorage.LegalHold {
		return armstorage.LegalHold{Tags: to.SliceOfPtrs(names...)}
	}
	set, err := c.SetLegalHold(ctx, group, account, container, tags("Case1", "case2"), nil)
	must(t, err)
	if len(set.Tags) != 2 || *set.Tags[0] != "case1" || !*set.HasLegalHold {
		t.Errorf("set %+v", set.LegalHold)
	}
	_, err = c.SetLegalHold(ctx, group, account, container, tags("no"), nil)
	wantCode(t, err, 400, "InvalidRequestPropertyValue")
	_, err = c.ClearLegalHold(ctx, group, account, container, tags("case1"), nil)
	must(t, err)
	got, err := c.Get(ctx, group, account, container, nil)
	must(t, err)
	if held := got.ContainerProperties.LegalHold; len(held.Tags) != 1 || *held.Tags[0].Tag != "case2" {
		t.Errorf("after clearing one tag: %+v", held)
	}
}

func TestContainersComeAndGo(t *testing.T) {
	p := newPlane(t)
	ctx, c := t.Context(), p.client(roles.Admin)
	_, err := c.Create(ctx, group, account, "versions", armstorage.BlobContainer{ContainerProperties: &armstorage.ContainerProperties{
		ImmutableStorageWithVersioning: &armstorage.ImmutableStorageWithVersioning{Enabled: to.Ptr(true)}}}, nil)
	must(t, err)
	got, err := c.Get(ctx, group, account, "versions", nil)
	must(t, err)
	if !*got.ContainerProperties.ImmutableStorageWithVersioning.Enabled {
		t.Error("version-level support was not enabled")
	}
	services, err := armstorage.NewBlobServicesClient(subscription, p.ids.Credential(roles.Admin), p.options("https://management.azure.com", -1))
	must(t, err)
	service, err := services.GetServiceProperties(ctx, group, account, nil)
	must(t, err)
	if !*service.BlobServiceProperties.BlobServiceProperties.IsVersioningEnabled {
		t.Error("the account of a container with version-level support has no versioning")
	}
	_, err = c.Delete(ctx, group, account, "versions", nil)
	must(t, err)
	_, err = c.Get(ctx, group, account, "versions", nil)
	wantCode(t, err, 404, "ContainerNotFound")
}

func TestBothAudiences(t *testing.T) {
	p := newPlane(t)
	for _, audience := range []string{"https://management.azure.com", "https://management.azure.com/", "https://management.core.windows.net/"} {
		c, err := armstorage.NewAccountsClient(subscription, p.ids.Credential(roles.Admin), p.options(audience, -1))
		must(t, err)
		got, err := c.GetProperties(t.Context(), group, account, nil)
		if err != nil || *got.Properties.AllowSharedKeyAccess {
			t.Errorf("%s: %v", audience, err)
		}
	}
	c, err := armstorage.NewAccountsClient(subscription, p.ids.Credential(roles.Admin), p.options("https://storage.azure.com", -1))
	must(t, err)
	_, err = c.GetProperties(t.Context(), group, account, nil)
	wantCode(t, err, 401, "InvalidAuthenticationToken")
}

func TestWhatIsNotThere(t *testing.T) {
	p := newPlane(t)
	for _, c := range []struct {
		name, subscription, group, account, container string
		code                                          string
	}{
		{"subscription", "b0000000-0000-4000-8000-0000000000bb", group, account, container, "SubscriptionNotFound"},
		{"group", subscription, "other", account, container, "ResourceGroupNotFound"},
		{"account", subscription, group, "otheraccount", container, "ResourceNotFound"},
		{"container", subscription, group, account, "other", "ContainerNotFound"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, err := armstorage.NewBlobContainersClient(c.subscription, p.ids.Credential(roles.Admin), p.options("https://management.azure.com", -1))
			must(t, err)
			_, err = client.Get(t.Context(), c.group, c.account, c.container, nil)
			wantCode(t, err, 404, c.code)
		})
	}
}

func TestRolesDecide(t *testing.T) {
	p := newPlane(t)
	ctx := t.Context()
	_, err := p.client(roles.Backup).Get(ctx, group, account, container, nil)
	must(t, err)
	_, err = p.client(roles.Backup).CreateOrUpdateImmutabilityPolicy(ctx, group, account, container, put(1))
	wantCode(t, err, 403, "AuthorizationFailed")
	_, err = p.client(roles.Backup).LockImmutabilityPolicy(ctx, group, account, container, "x", nil)
	wantCode(t, err, 403, "AuthorizationFailed")
	_, err = p.client(roles.Operator).Get(ctx, group, account, container, nil)
	wantCode(t, err, 403, "AuthorizationFailed")
	blind := newPlane(t, func(c *arm.Config) { c.Allow = roles.Default().Without(roles.Backup, roles.PolicyRead).Allow })
	_, err = blind.client(roles.Backup).GetImmutabilityPolicy(ctx, group, account, container, nil)
	wantCode(t, err, 403, "AuthorizationFailed")
}

func TestFaults(t *testing.T) {
	p := newPlane(t)
	ctx := t.Context()
	retrying, err := armstorage.NewBlobContainersClient(subscription, p.ids.Credential(roles.Backup), p.options("https://management.azure.com", 2))
	must(t, err)
	p.faults.Add(faults.Fault{Op: "arm.container", Do: "status", Status: 503, Times: 2})
	if _, err := retrying.Get(ctx, group, account, container, nil); err != nil || p.faults.Calls("arm.container") != 3 {
		t.Errorf("after two busy answers: %v, %d calls", err, p.faults.Calls("arm.container"))
	}
	p.faults.Add(faults.Fault{Op: "arm.policy", Do: "status-after", Status: 500})
	_, err = p.client(roles.Admin).CreateOrUpdateImmutabilityPolicy(ctx, group, account, container, put(1))
	wantCode(t, err, 500, "InternalServerError")
	if state, _ := p.policies.Get(account, container); state.Policy == nil {
		t.Error("status-after did not take effect")
	}
	p.faults.Add(faults.Fault{Op: "arm.container", Do: "stall", Wait: time.Minute})
	hurried, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := p.client(roles.Backup).Get(hurried, group, account, container, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a stalled call ended with %v", err)
	}
	if left := p.faults.Unfired(); left != nil {
		t.Error(left)
	}
}

func TestCommandNeedsAnyToken(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out strings.Builder
	if err := arm.Command(ctx, nil, &out); err == nil {
		t.Error("started although every token would be refused")
	}
	if err := arm.Command(ctx, []string{"--any-token"}, &out); err != nil || !strings.Contains(out.String(), "https://127.0.0.1:") {
		t.Errorf("%v, printed %q", err, out.String())
	}
}
