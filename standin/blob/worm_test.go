package blob_test

import (
	"context"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/appendblob"
	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"

	"github.com/bacvault/bacvault/standin/blob"
	"github.com/bacvault/bacvault/standin/roles"
)

// target is what an operation of the matrix may need: a blob that is there, an append blob, and a name that is free.
type target struct {
	c                       *container.Client
	old, appendable, source string
	free                    string
}

// operations are the rows of the matrix of "Container-level WORM policies", each by the real client.
var operations = []struct {
	name string
	do   func(context.Context, target) error
	// What each state answers; "" lets it pass.
	policy, hold, expired, version string
}{
	{"put blob, new name", func(ctx context.Context, x target) error {
		return upload(ctx, x.c.NewBlockBlobClient(x.free), "new")
	}, "", "", "", ""},
	{"blocks, new name", func(ctx context.Context, x target) error {
		return commit(ctx, x.c.NewBlockBlobClient(x.free), "new", createOnly())
	}, "", "", "", ""},
	{"put blob over", func(ctx context.Context, x target) error {
		return upload(ctx, x.c.NewBlockBlobClient(x.old), "other")
	}, "BlobImmutableDueToPolicy", "BlobImmutableDueToLegalHold", "BlobImmutableDueToPolicy", ""},
	{"block list over", func(ctx context.Context, x target) error {
		return commit(ctx, x.c.NewBlockBlobClient(x.old), "other", nil)
	}, "BlobImmutableDueToPolicy", "BlobImmutableDueToLegalHold", "BlobImmutableDueToPolicy", ""},
	{"create-only block list over", func(ctx context.Context, x target) error {
		return commit(ctx, x.c.NewBlockBlobClient(x.old), "other", createOnly())
	}, "BlobAlreadyExists", "BlobAlreadyExists", "BlobAlreadyExists", "BlobAlreadyExists"},
	{"copy over", func(ctx context.Context, x target) error {
		_, err := x.c.NewBlobClient(x.old).StartCopyFromURL(ctx, x.c.NewBlobClient(x.source).URL(), nil)
		return err
	}, "BlobImmutableDueToPolicy", "BlobImmutableDueToLegalHold", "BlobImmutableDueToPolicy", ""},
	{"delete", func(ctx context.Context, x target) error {
		_, err := x.c.NewBlobClient(x.old).Delete(ctx, nil)
		return err
	}, "BlobImmutableDueToPolicy", "BlobImmutableDueToLegalHold", "", "BlobImmutableDueToPolicy"},
	{"set metadata", func(ctx context.Context, x target) error {
		_, err := x.c.NewBlobClient(x.old).SetMetadata(ctx, map[string]*string{"k": to.Ptr("v")}, nil)
		return err
	}, "BlobImmutableDueToPolicy", "BlobImmutableDueToLegalHold", "BlobImmutableDueToPolicy", "BlobImmutableDueToPolicy"},
	{"set http headers", func(ctx context.Context, x target) error {
		_, err := x.c.NewBlobClient(x.old).SetHTTPHeaders(ctx, azblob.HTTPHeaders{BlobContentType: to.Ptr("a/b")}, nil)
		return err
	}, "BlobImmutableDueToPolicy", "BlobImmutableDueToLegalHold", "BlobImmutableDueToPolicy", ""},
	{"snapshot", func(ctx context.Context, x target) error {
		_, err := x.c.NewBlobClient(x.old).CreateSnapshot(ctx, nil)
		return err
	}, "BlobImmutableDueToPolicy", "BlobImmutableDueToLegalHold", "BlobImmutableDueToPolicy", ""},
	{"append", func(ctx context.Context, x target) error {
		_, err := x.c.NewAppendBlobClient(x.appendable).AppendBlock(ctx, body("more"), nil)
		return err
	}, "BlobImmutableDueToPolicy", "BlobImmutableDueToLegalHold", "BlobImmutableDueToPolicy", "BlobImmutableDueToPolicy"},
	{"set tier", func(ctx context.Context, x target) error {
		_, err := x.c.NewBlobClient(x.old).SetTier(ctx, azblob.AccessTierCool, nil)
		return err
	}, "", "", "", ""},
	{"set tags", func(ctx context.Context, x target) error {
		_, err := x.c.NewBlobClient(x.old).SetTags(ctx, map[string]string{"k": "v"}, nil)
		return err
	}, "", "", "", ""},
	{"lease", func(ctx context.Context, x target) error {
		l, err := lease.NewBlobClient(x.c.NewBlobClient(x.old), nil)
		if err != nil {
			return err
		}
		if _, err = l.AcquireLease(ctx, 15, nil); err != nil {
			return err
		}
		_, err = l.ReleaseLease(ctx, nil)
		return err
	}, "", "", "", ""},
	{"read", func(ctx context.Context, x target) error {
		_, err := x.c.NewBlobClient(x.old).GetProperties(ctx, nil)
		return err
	}, "", "", "", ""},
	{"delete the container", func(ctx context.Context, x target) error {
		_, err := x.c.Delete(ctx, nil)
		return err
	}, "ContainerImmutabilityPolicyLocked", "ContainerHasLegalHold", "ContainerImmutabilityPolicyLocked", "ContainerProtectedFromDeletion"},
}

// Every operation of the matrix is done by an administrator, who has every right, so only immutability can refuse.
func TestMatrix(t *testing.T) {
	s := newStack(t)
	account := s.places.VaultAccount
	for _, state := range []struct {
		name    string
		kind    blob.Kind
		protect func(name string) error
		want    func(i int) string
	}{
		{"locked", blob.ContainerLevel, func(n string) error { return s.Policies().Protect(account, n, 30, true) },
			func(i int) string { return operations[i].policy }},
		{"unlocked", blob.ContainerLevel, func(n string) error { return s.Policies().Protect(account, n, 30, false) },
			func(i int) string { return operations[i].policy }},
		{"hold", blob.ContainerLevel, func(n string) error {
			_, err := s.Policies().SetHold(account, n, "me", []string{"Case42"}, false)
			return err
		}, func(i int) string { return operations[i].hold }},
		{"expired", blob.ContainerLevel, func(n string) error {
			s.clock.Advance(24*time.Hour + time.Second)
			return s.Policies().Protect(account, n, 1, true)
		}, func(i int) string { return operations[i].expired }},
		{"version", blob.VersionLevel, func(string) error { return nil }, func(i int) string { return operations[i].version }},
		{"nothing", blob.ContainerLevel, func(string) error { return nil }, func(i int) string {
			if operations[i].name == "create-only block list over" {
				return "BlobAlreadyExists"
			}
			return ""
		}},
	} {
		for i, op := range operations {
			t.Run(state.name+"/"+op.name, func(t *testing.T) {
				ctx := t.Context()
				name := state.name + "-" + string(rune('a'+i))
				must(t, s.CreateContainer(ctx, account, name, state.kind))
				if state.kind == blob.VersionLevel { // its policy is the default of versions to come
					must(t, s.Policies().Protect(account, name, 30, true))
				}
				x := target{s.containerOf(roles.Admin, account, name, -1), "a/old.bacpac", "log", "source", "a/free.bacpac"}
				must(t, upload(ctx, x.c.NewBlockBlobClient(x.old), "old"))
				must(t, upload(ctx, x.c.NewBlockBlobClient(x.source), "source"))
				_, err := x.c.NewAppendBlobClient(x.appendable).Create(ctx, nil)
				must(t, err)
				must(t, state.protect(name))
				wantCode(t, op.do(ctx, x), state.want(i))
			})
		}
	}
}

func TestAppendFlagsLetLogsGrow(t *testing.T) {
	s := newStack(t)
	c := s.container(roles.Admin)
	_, err := c.NewAppendBlobClient("log").Create(t.Context(), nil)
	must(t, err)
	days := 1
	_, err = s.Policies().PutPolicy(s.places.VaultAccount, s.places.VaultContainer, "", "me", &days, true, false)
	must(t, err)
	grow := func() error {
		_, err := c.NewAppendBlobClient("log").AppendBlock(t.Context(), body("line"), &appendblob.AppendBlockOptions{})
		return err
	}
	remove := func() error { _, err := c.NewBlobClient("log").Delete(t.Context(), nil); return err }
	s.clock.Advance(20 * time.Hour)
	wantCode(t, grow(), "")
	s.clock.Advance(20 * time.Hour)
	wantCode(t, remove(), "BlobImmutableDueToPolicy") // the period counts from the last append
	s.clock.Advance(5 * time.Hour)
	wantCode(t, remove(), "")
}

func TestOpenQuestionsAreSwitches(t *testing.T) {
	s := newStack(t, func(c *blob.Config, _ *roles.Table) { c.ImmutableBeatsExists, c.RefuseBlockOnExisting = true, true })
	c := s.container(roles.Backup).NewBlockBlobClient("b")
	must(t, upload(t.Context(), c, "old"))
	s.protect(1, true)
	_, err := c.Upload(t.Context(), body("x"), &blockblob.UploadOptions{AccessConditions: createOnly()})
	wantCode(t, err, "BlobImmutableDueToPolicy")
	_, err = c.StageBlock(t.Context(), "AAAA", body("x"), nil)
	wantCode(t, err, "BlobImmutableDueToPolicy")
}

func TestContainerShowsItsFlags(t *testing.T) {
	s := newStack(t)
	c := s.container(roles.Backup)
	flags := func() [3]bool {
		t.Helper()
		p, err := c.GetProperties(t.Context(), nil)
		must(t, err)
		return [3]bool{*p.HasImmutabilityPolicy, *p.HasLegalHold, *p.IsImmutableStorageWithVersioningEnabled}
	}
	if got := flags(); got != [3]bool{} {
		t.Errorf("fresh container: %v", got)
	}
	s.protect(1, false)
	_, err := s.Policies().SetHold(s.places.VaultAccount, s.places.VaultContainer, "me", []string{"tag"}, false)
	must(t, err)
	if got := flags(); got != [3]bool{true, true, false} {
		t.Errorf("protected container: %v", got)
	}
}
