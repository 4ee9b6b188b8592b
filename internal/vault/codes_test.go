package vault_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/vault"
)

// Every refusal that the store has for our calls, where it is told at once: while blocks are staged, and while an archive is
// read. What follows a commit is settled by looking instead.
func TestRefusalsOfTheStoreAreClassed(t *testing.T) {
	const staging, reading = "PUT block ", "GET "
	for _, c := range []struct {
		code   string
		status int
		during string
		want   bacvault.Code
		class  bacvault.Class
		next   string
	}{
		{"BlobImmutableDueToPolicy", 409, staging, bacvault.CodeVaultConflict, bacvault.Terminal, "another slot"},
		{"BlobImmutableDueToLegalHold", 409, staging, bacvault.CodeVaultConflict, bacvault.Terminal, "another slot"},
		{"BlobAlreadyExists", 409, staging, bacvault.CodeVaultConflict, bacvault.Terminal, "another slot"},
		{"BlobHasBeenModified", 409, staging, bacvault.CodeVaultConflict, bacvault.Terminal, "another slot"},
		{"ConditionNotMet", 412, staging, bacvault.CodeVaultConflict, bacvault.Terminal, "another slot"},
		{"ConditionNotMet", 412, reading, bacvault.CodeVaultRead, bacvault.Retry, "tried again"},
		{"ImmutabilityPolicyDeleteOnLockedPolicy", 409, staging, bacvault.CodeVaultWrite, bacvault.Terminal, "report the fault"},
		{"ContainerImmutabilityPolicyLocked", 409, staging, bacvault.CodeVaultWrite, bacvault.Terminal, "report the fault"},
		{"ContainerHasLegalHold", 409, staging, bacvault.CodeVaultWrite, bacvault.Terminal, "report the fault"},
		{"InvalidBlobOrBlock", 400, staging, bacvault.CodeVaultWrite, bacvault.Terminal, "a week"},
		{"BlockCountExceedsLimit", 409, staging, bacvault.CodeVaultWrite, bacvault.Terminal, "a week"},
		{"InvalidBlockList", 400, staging, bacvault.CodeVaultWrite, bacvault.Retry, "tried again"},
		{"Crc64Mismatch", 400, staging, bacvault.CodeVaultWrite, bacvault.Retry, "tried again"},
		{"Md5Mismatch", 400, staging, bacvault.CodeVaultWrite, bacvault.Retry, "tried again"},
		{"LeaseIdMissing", 412, staging, bacvault.CodeVaultWrite, bacvault.Retry, "lease"},
		{"BlobArchived", 409, reading, bacvault.CodeVaultRead, bacvault.Refused, "rehydrated"},
		{"BlobBeingRehydrated", 409, reading, bacvault.CodeVaultRead, bacvault.Refused, "rehydrated"},
		{"AuthorizationPermissionMismatch", 403, staging, bacvault.CodeVaultDenied, bacvault.Terminal, "permissions"},
		{"AuthorizationPermissionMismatch", 403, reading, bacvault.CodeVaultDenied, bacvault.Terminal, "permissions"},
		{"AuthorizationFailure", 403, reading, bacvault.CodeVaultDenied, bacvault.Terminal, "permissions"},
		{"ServerBusy", 503, reading, bacvault.CodeVaultRead, bacvault.Retry, "tried again"},
		{"AConflictOfTomorrow", 409, staging, bacvault.CodeVaultWrite, bacvault.Retry, "tried again"},
	} {
		t.Run(c.code+" "+strings.Fields(c.during)[0], func(t *testing.T) {
			t.Parallel()
			v, s := open(t, vault.Config{NoProgress: time.Second})
			s.blobs["read"] = &object{data: []byte("abc")}
			s.before = func(w http.ResponseWriter, _ *http.Request, call string) bool {
				hit := strings.HasPrefix(call, c.during) && !strings.HasPrefix(call, "GET blocklist")
				if hit {
					refuse(w, c.status, c.code)
				}
				return hit
			}
			var err error
			if c.during == staging {
				_, err = v.Stage(t.Context(), name, strings.NewReader("abc"), 3, nil)
			} else {
				_, err = v.ReadBack(t.Context(), "read", 3, nil)
			}
			f := wantCode(t, err, c.want)
			if f.Class != c.class || !strings.Contains(f.Next, c.next) || f.Exists == "" || !strings.Contains(f.Detail, c.code) {
				t.Errorf("%+v, want class %s and advice with %q", f, c.class, c.next)
			}
		})
	}
}

// A connection over which nothing comes ends one try, not the transfer.
func TestASilentStoreEndsOneTryOnly(t *testing.T) {
	t.Parallel()
	for _, during := range []string{"PUT block ", "GET  read"} {
		t.Run(during, func(t *testing.T) {
			t.Parallel()
			v, s := open(t, vault.Config{NoProgress: time.Second})
			s.blobs["read"] = &object{data: []byte("abc")}
			s.before = func(_ http.ResponseWriter, r *http.Request, call string) bool {
				if strings.HasPrefix(call, during) && s.count(during) == 1 {
					_, _ = io.Copy(io.Discard, r.Body) // until then the server does not see that the client has gone
					silent(r)
				}
				return false
			}
			var err error
			if strings.HasPrefix(during, "PUT") {
				_, err = v.Stage(t.Context(), name, strings.NewReader("abc"), 3, nil)
			} else {
				_, err = v.ReadBack(t.Context(), "read", 3, nil)
			}
			if err != nil || s.count(during) != 2 {
				t.Errorf("%d tries, %v", s.count(during), err)
			}
		})
	}
}
