package blob_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"github.com/bacvault/bacvault/standin/blob"
	"github.com/bacvault/bacvault/standin/roles"
)

func TestRolesDecide(t *testing.T) {
	s := newStack(t)
	ctx := t.Context()
	seed := s.container(roles.Admin)
	must(t, upload(ctx, seed.NewBlockBlobClient("there"), "old"))
	must(t, upload(ctx, s.state(roles.Backup).NewBlockBlobClient("gone"), "x"))
	const no = "AuthorizationPermissionMismatch"
	for _, c := range []struct {
		name string
		do   func() error
		code string
	}{
		{"backup uploads blocks", func() error { return commit(ctx, s.container(roles.Backup).NewBlockBlobClient("b"), "x", createOnly()) }, ""},
		{"backup reads", func() error {
			_, err := s.container(roles.Backup).NewBlobClient("there").DownloadStream(ctx, nil)
			return err
		}, ""},
		{"backup looks at the container", func() error { _, err := s.container(roles.Backup).GetProperties(ctx, nil); return err }, ""},
		{"backup may not delete", func() error { _, err := s.container(roles.Backup).NewBlobClient("there").Delete(ctx, nil); return err }, no},
		{"backup may not delete the container", func() error { _, err := s.container(roles.Backup).Delete(ctx, nil); return err }, no},
		{"backup may not set tags", func() error {
			_, err := s.container(roles.Backup).NewBlobClient("there").SetTags(ctx, map[string]string{"a": "b"}, nil)
			return err
		}, no},
		{"backup deletes in the state container", func() error { _, err := s.state(roles.Backup).NewBlobClient("gone").Delete(ctx, nil); return err }, ""},
		{"restore creates a proof", func() error { return upload(ctx, s.container(roles.Restore).NewBlockBlobClient("proof"), "x") }, ""},
		{"restore may not overwrite", func() error { return upload(ctx, s.container(roles.Restore).NewBlockBlobClient("there"), "x") }, "UnauthorizedBlobOverwrite"},
		{"restore finds the name taken", func() error {
			_, err := s.container(roles.Restore).NewBlockBlobClient("there").Upload(ctx, body("x"), &blockblob.UploadOptions{AccessConditions: createOnly()})
			return err
		}, "BlobAlreadyExists"},
		{"restore may not upload blocks", func() error {
			_, err := s.container(roles.Restore).NewBlockBlobClient("c").StageBlock(ctx, "AAAA", body("x"), nil)
			return err
		}, no},
		{"restore does not look at the container", func() error { _, err := s.container(roles.Restore).GetProperties(ctx, nil); return err }, no},
		{"operator sees nothing", func() error {
			_, err := s.container(roles.Operator).NewListBlobsFlatPager(nil).NextPage(ctx)
			return err
		}, no},
	} {
		t.Run(c.name, func(t *testing.T) { wantCode(t, c.do(), c.code) })
	}
	if text, err := s.Read(ctx, s.places.VaultAccount, s.places.VaultContainer, "there"); err != nil || string(text) != "old" {
		t.Errorf("a refused write left %q, %v", text, err)
	}
}

func TestARightTakenOutIsRefused(t *testing.T) {
	s := newStack(t, func(_ *blob.Config, r *roles.Table) {
		*r = r.Without(roles.Backup, roles.BlobWrite).With(roles.Backup, roles.BlobAdd, "*")
	})
	wantCode(t, commit(t.Context(), s.container(roles.Backup).NewBlockBlobClient("b"), "x", nil), "AuthorizationPermissionMismatch")
	wantCode(t, upload(t.Context(), s.container(roles.Backup).NewBlockBlobClient("b"), "x"), "") // by the add right
}

// fixed is a credential that always gives one token.
type fixed string

func (f fixed) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(f)}, nil
}

func TestWhoIsNotKnown(t *testing.T) {
	s := newStack(t)
	url := s.URL(s.places.VaultAccount) + "/" + s.places.VaultContainer
	token := func(scope string) string {
		got, err := s.ids.Credential(roles.Admin).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{scope}})
		must(t, err)
		return got.Token
	}
	for name, bad := range map[string]string{"another audience": token("https://database.windows.net/.default"), "not ours": "a.b.c"} {
		c, err := container.NewClient(url, fixed(bad), &container.ClientOptions{ClientOptions: s.options(-1)})
		must(t, err)
		_, err = c.GetProperties(t.Context(), nil)
		if name == "not ours" {
			wantCode(t, err, "InvalidAuthenticationInfo")
		} else if err == nil {
			t.Error("a token for the database was taken")
		}
		if err != nil && strings.Contains(err.Error(), bad) {
			t.Errorf("%s: the error holds the token", name)
		}
	}
	key, err := container.NewSharedKeyCredential(s.places.VaultAccount, keys[s.places.VaultAccount])
	must(t, err)
	byKey, err := container.NewClientWithSharedKeyCredential(url, key, &container.ClientOptions{ClientOptions: s.options(-1)})
	must(t, err)
	_, err = byKey.GetProperties(t.Context(), nil)
	wantCode(t, err, "KeyBasedAuthenticationNotPermitted")
	anonymous, err := container.NewClientWithNoCredential(url, &container.ClientOptions{ClientOptions: s.options(-1)})
	must(t, err)
	_, err = anonymous.GetProperties(t.Context(), nil)
	wantCode(t, err, "NoAuthenticationInformation")
}

func TestListsShowWhatPropertiesShow(t *testing.T) {
	s := newStack(t)
	ctx := t.Context()
	s.protect(1, true)
	must(t, s.CreateContainer(ctx, s.places.VaultAccount, "plain", blob.VersionLevel))
	svc, err := service.NewClient(s.URL(s.places.VaultAccount), s.ids.Credential(roles.Admin), &service.ClientOptions{ClientOptions: s.options(-1)})
	must(t, err)
	page, err := svc.NewListContainersPager(nil).NextPage(ctx)
	must(t, err)
	got := map[string][3]bool{}
	for _, item := range page.ContainerItems {
		p := item.Properties
		got[*item.Name] = [3]bool{*p.HasImmutabilityPolicy, *p.HasLegalHold, *p.IsImmutableStorageWithVersioningEnabled}
	}
	if got["backups"] != [3]bool{true, false, false} || got["plain"] != [3]bool{false, false, true} || len(got) != 2 {
		t.Errorf("listed %v", got)
	}
}

// An operation that the gateway does not know is refused by name, and never reaches Azurite.
func TestUnknownOperationsNameThemselves(t *testing.T) {
	s := newStack(t)
	token, err := s.ids.Credential(roles.Admin).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://storage.azure.com/.default"}})
	must(t, err)
	for _, c := range []struct{ method, path, header, want string }{
		{http.MethodPut, "/backups/b?comp=undelete", "", "PUT undelete"},
		{http.MethodPost, "/backups/b?comp=query", "", "POST query"},
		{http.MethodPut, "/backups/b?comp=block&blockid=AAAA", "x-ms-structured-body", "x-ms-structured-body"},
		{http.MethodGet, "/backups/b", "x-ms-range-get-content-crc64", "x-ms-range-get-content-crc64"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, s.URL(s.places.VaultAccount)+c.path, strings.NewReader("x"))
		must(t, err)
		req.Header.Set("Authorization", "Bearer "+token.Token)
		if c.header != "" {
			req.Header.Set(c.header, "anything")
		}
		res, err := s.http.Do(req)
		must(t, err)
		text := new(strings.Builder)
		_ = res.Write(text)
		_ = res.Body.Close()
		if res.StatusCode != 501 || !strings.Contains(text.String(), c.want) {
			t.Errorf("%s %s: %s", c.method, c.path, text)
		}
	}
}

func TestCopyWithinTheStack(t *testing.T) {
	s := newStack(t)
	c := s.container(roles.Admin)
	must(t, upload(t.Context(), c.NewBlockBlobClient("a"), "text"))
	_, err := c.NewBlobClient("b/ü #1").StartCopyFromURL(t.Context(), c.NewBlobClient("a").URL(), nil)
	must(t, err)
	if text, err := s.Read(t.Context(), s.places.VaultAccount, s.places.VaultContainer, "b/ü #1"); err != nil || string(text) != "text" {
		t.Errorf("copied %q, %v", text, err)
	}
	_, err = c.NewBlobClient("c").StartCopyFromURL(t.Context(), "https://example.com/a", nil)
	wantCode(t, err, "NotImplemented")
	must(t, s.CreateContainer(t.Context(), s.places.VaultAccount, "private", blob.ContainerLevel))
	secret := s.containerOf(roles.Admin, s.places.VaultAccount, "private", -1).NewBlockBlobClient("secret")
	must(t, upload(t.Context(), secret, "x"))
	_, err = s.container(roles.Backup).NewBlobClient("d").StartCopyFromURL(t.Context(), secret.URL(), nil)
	wantCode(t, err, "AuthorizationPermissionMismatch") // the source needs a right too
}
