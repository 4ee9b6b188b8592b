package blob_test

import (
	"bytes"
	"crypto/md5"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"
	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/standin/roles"
)

func TestBlocksMakeABlobOnce(t *testing.T) {
	s := newStack(t)
	s.protect(30, true)
	c := s.container(roles.Backup).NewBlockBlobClient("srv/db/one.bacpac")
	must(t, commit(t.Context(), c, "first", createOnly()))
	wantCode(t, commit(t.Context(), c, "second", createOnly()), "BlobAlreadyExists")
	wantCode(t, commit(t.Context(), c, "second", nil), "BlobImmutableDueToPolicy")
	got, err := s.Read(t.Context(), s.places.VaultAccount, s.places.VaultContainer, "srv/db/one.bacpac")
	if err != nil || string(got) != "first" {
		t.Errorf("the blob holds %q, %v", got, err)
	}
	names, err := s.Blobs(t.Context(), s.places.VaultAccount, s.places.VaultContainer)
	if diff := cmp.Diff([]string{"srv/db/one.bacpac"}, names); err != nil || diff != "" {
		t.Errorf("%v, blobs (-want +got):\n%s", err, diff)
	}
}

// Of many commits of one name at the same moment, without any condition, the policy lets exactly one through.
func TestOnlyOneOfManyWritersWins(t *testing.T) {
	s := newStack(t)
	s.protect(30, true)
	c := s.container(roles.Backup).NewBlockBlobClient("b")
	var wg sync.WaitGroup
	results := make(chan error, 8)
	for range cap(results) {
		wg.Go(func() { results <- upload(t.Context(), c, "text") })
	}
	wg.Wait()
	close(results)
	won := 0
	for err := range results {
		if err == nil {
			won++
		} else {
			wantCode(t, err, "BlobImmutableDueToPolicy")
		}
	}
	if won != 1 {
		t.Errorf("%d writers won", won)
	}
}

func TestChecksumsAreChecked(t *testing.T) {
	s := newStack(t)
	ctx := t.Context()
	c := s.container(roles.Backup).NewBlockBlobClient("b")
	data := make([]byte, 3<<20)
	_, err := rand.Read(data)
	must(t, err)
	stage := func(id string, v azblob.TransferValidationType) (blockblob.StageBlockResponse, error) {
		return c.StageBlock(ctx, id, streaming.NopCloser(bytes.NewReader(data)), &blockblob.StageBlockOptions{TransactionalValidation: v})
	}
	good, err := stage("AAAA", azblob.TransferValidationTypeComputeCRC64())
	must(t, err)
	if len(good.ContentCRC64) != 8 {
		t.Errorf("the answer's CRC64 is %x", good.ContentCRC64)
	}
	_, err = stage("AAAB", azblob.TransferValidationTypeCRC64(42))
	wantCode(t, err, "Crc64Mismatch")
	sum := md5.Sum(data)
	_, err = stage("AAAC", azblob.TransferValidationTypeMD5(sum[:]))
	must(t, err)
	sum[0]++
	_, err = stage("AAAD", azblob.TransferValidationTypeMD5(sum[:]))
	wantCode(t, err, "Md5Mismatch")
	_, err = c.Upload(ctx, body("x"), &blockblob.UploadOptions{TransactionalValidation: azblob.TransferValidationTypeCRC64(42)})
	wantCode(t, err, "Crc64Mismatch")

	list, err := c.GetBlockList(ctx, blockblob.BlockListTypeUncommitted, nil)
	must(t, err)
	var staged []string
	for _, b := range list.UncommittedBlocks {
		staged = append(staged, *b.Name)
	}
	slices.Sort(staged)
	if diff := cmp.Diff([]string{"AAAA", "AAAC"}, staged); diff != "" {
		t.Errorf("staged blocks (-want +got):\n%s", diff)
	}
}

// A block passes through in pieces: four of 16 MiB at once may not cost the gateway 64 MiB.
func TestUploadsStream(t *testing.T) {
	s := newStack(t)
	const size = 16 << 20
	c := s.container(roles.Backup).NewBlockBlobClient("big")
	peak, stop := uint64(0), make(chan struct{})
	var watch, uploads sync.WaitGroup
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	watch.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapAlloc)
			}
		}
	})
	ids := []string{"AAAA", "AAAB", "AAAC", "AAAD"}
	errs := make(chan error, len(ids))
	for _, id := range ids {
		uploads.Go(func() {
			_, err := c.StageBlock(t.Context(), id, streaming.NopCloser(&zeros{size: size}), nil)
			errs <- err
		})
	}
	uploads.Wait()
	close(stop)
	watch.Wait()
	for range ids {
		must(t, <-errs)
	}
	_, err := c.CommitBlockList(t.Context(), ids, nil)
	must(t, err)
	if grown := int64(peak) - int64(before.HeapAlloc); grown > 32<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	p, err := c.GetProperties(t.Context(), nil)
	if err != nil || *p.ContentLength != 4*size {
		t.Errorf("the blob: %+v, %v", p.ContentLength, err)
	}
}

// zeros is a long body that needs no memory.
type zeros struct{ size, at int64 }

func (z *zeros) Read(b []byte) (int, error) {
	if z.at == z.size {
		return 0, io.EOF
	}
	n := min(int64(len(b)), z.size-z.at)
	clear(b[:n])
	z.at += n
	return int(n), nil
}

func (z *zeros) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
		z.at = offset
	case io.SeekCurrent:
		z.at += offset
	case io.SeekEnd:
		z.at = z.size + offset
	}
	return z.at, nil
}

func TestLeases(t *testing.T) {
	s := newStack(t)
	ctx := t.Context()
	c := s.state(roles.Backup)
	lock := c.NewBlockBlobClient("leases/db")
	must(t, upload(ctx, lock, "{}"))
	mine, err := lease.NewBlobClient(lock, nil)
	must(t, err)
	other, err := lease.NewBlobClient(lock, nil)
	must(t, err)
	_, err = mine.AcquireLease(ctx, 60, nil)
	must(t, err)
	_, err = other.AcquireLease(ctx, 60, nil)
	wantCode(t, err, "LeaseAlreadyPresent")
	_, err = mine.RenewLease(ctx, nil)
	must(t, err)
	wantCode(t, upload(ctx, lock, "without the lease"), "LeaseIdMissing")
	_, err = lock.Upload(ctx, body("with it"), &blockblob.UploadOptions{
		AccessConditions: &azblob.AccessConditions{LeaseAccessConditions: &azblob.LeaseAccessConditions{LeaseID: mine.LeaseID()}}})
	must(t, err)

	lapsed, err := s.LapseLeases(ctx, s.places.StateAccount, s.places.StateContainer)
	if diff := cmp.Diff([]string{"leases/db"}, lapsed); err != nil || diff != "" {
		t.Errorf("%v, lapsed (-want +got):\n%s", err, diff)
	}
	_, err = other.AcquireLease(ctx, 60, nil)
	must(t, err)
	_, err = mine.RenewLease(ctx, nil)
	wantCode(t, err, "LeaseIdMismatchWithLeaseOperation")
}

func TestReplaceChangesBytesBehindThePolicy(t *testing.T) {
	s := newStack(t)
	ctx := t.Context()
	c := s.container(roles.Backup).NewBlockBlobClient("b")
	_, err := c.Upload(ctx, body("good"), &blockblob.UploadOptions{Metadata: map[string]*string{"run": to.Ptr("r1")},
		HTTPHeaders: &azblob.HTTPHeaders{BlobContentType: to.Ptr("application/x-bacpac")}})
	must(t, err)
	s.protect(30, true)
	must(t, s.Replace(ctx, s.places.VaultAccount, s.places.VaultContainer, "b", []byte("evil")))
	got, err := c.DownloadStream(ctx, nil)
	must(t, err)
	text, err := io.ReadAll(got.Body)
	if err != nil || string(text) != "evil" || *got.ContentType != "application/x-bacpac" || *got.Metadata["Run"] != "r1" {
		t.Errorf("%q, %v, %v, %v", text, *got.ContentType, got.Metadata, err)
	}
	_, err = c.Delete(ctx, nil)
	wantCode(t, err, "AuthorizationPermissionMismatch")
	if err := s.Replace(ctx, s.places.VaultAccount, s.places.VaultContainer, "absent", nil); err == nil {
		t.Error("a blob that is not there was replaced")
	}
}

func TestTimesAreTheStacks(t *testing.T) {
	s := newStack(t)
	ctx := t.Context()
	s.clock.Advance(48 * time.Hour)
	c := s.container(roles.Backup)
	must(t, upload(ctx, c.NewBlockBlobClient("b & <c>"), "x"))
	want := s.clock.Now()
	near := func(name string, got *time.Time) {
		t.Helper()
		if got == nil || got.Sub(want).Abs() > 5*time.Second {
			t.Errorf("%s is %v, want about %v", name, got, want)
		}
	}
	p, err := c.NewBlobClient("b & <c>").GetProperties(ctx, nil)
	must(t, err)
	near("creation time", p.CreationTime)
	near("last modified", p.LastModified)
	page, err := c.NewListBlobsFlatPager(nil).NextPage(ctx)
	must(t, err)
	near("listed creation time", page.Segment.BlobItems[0].Properties.CreationTime)
	near("listed last modified", page.Segment.BlobItems[0].Properties.LastModified)
}

// A write whose sender dies before the answer still counts: nothing may overwrite it afterwards.
func TestWriteOfADeadClientIsRemembered(t *testing.T) {
	s := newStack(t)
	s.protect(30, true)
	token, err := s.ids.Credential(roles.Backup).GetToken(t.Context(), tokenFor("https://storage.azure.com"))
	must(t, err)
	conn, err := tls.Dial("tcp", s.Addr(), s.ca.ClientTLS())
	must(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "PUT /%s/%s/b HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nx-ms-version: 2026-12-06\r\n"+
		"x-ms-blob-type: BlockBlob\r\nContent-Length: 5\r\n\r\nfirst", s.places.VaultAccount, s.places.VaultContainer, s.Addr(), token.Token)
	must(t, err)
	must(t, conn.CloseWrite())
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		names, err := s.Blobs(t.Context(), s.places.VaultAccount, s.places.VaultContainer)
		must(t, err)
		if len(names) == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the write never arrived")
		}
	}
	wantCode(t, upload(t.Context(), s.container(roles.Backup).NewBlockBlobClient("b"), "second"), "BlobImmutableDueToPolicy")
}

func TestMissingLengthIsRefused(t *testing.T) {
	s := newStack(t)
	token, err := s.ids.Credential(roles.Admin).GetToken(t.Context(), tokenFor("https://storage.azure.com"))
	must(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL(s.places.VaultAccount)+"/backups/b", io.MultiReader(bytes.NewReader([]byte("x"))))
	must(t, err)
	req.Header.Set("Authorization", "Bearer "+token.Token)
	res, err := s.http.Do(req)
	must(t, err)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusLengthRequired || res.Header.Get("x-ms-error-code") != "MissingContentLengthHeader" {
		t.Errorf("%s %s", res.Status, res.Header.Get("x-ms-error-code"))
	}
}
