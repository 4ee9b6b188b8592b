package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"

	"github.com/bacvault/bacvault/standin/blob"
	"github.com/bacvault/bacvault/standin/faults"
	"github.com/bacvault/bacvault/standin/roles"
)

func tokenFor(resource string) policy.TokenRequestOptions {
	return policy.TokenRequestOptions{Scopes: []string{resource + "/.default"}}
}

// Every operation that a plan can name meets "status", and the client sees code and status.
func TestPlannedStatus(t *testing.T) {
	s := newStack(t)
	ctx := t.Context()
	c := s.container(roles.Backup)
	b := c.NewBlockBlobClient("b")
	must(t, upload(ctx, b, "x"))
	for op, do := range map[string]func() error{
		"blob.block":     func() error { _, err := b.StageBlock(ctx, "AAAA", body("x"), nil); return err },
		"blob.commit":    func() error { _, err := b.CommitBlockList(ctx, nil, nil); return err },
		"blob.put":       func() error { return upload(ctx, b, "x") },
		"blob.get":       func() error { _, err := b.DownloadStream(ctx, nil); return err },
		"blob.head":      func() error { _, err := b.GetProperties(ctx, nil); return err },
		"blob.list":      func() error { _, err := c.NewListBlobsFlatPager(nil).NextPage(ctx); return err },
		"blob.container": func() error { _, err := c.GetProperties(ctx, nil); return err },
		"blob.lease": func() error {
			l, err := lease.NewBlobClient(b, nil)
			must(t, err)
			_, err = l.AcquireLease(ctx, 15, nil)
			return err
		},
	} {
		s.faults.Add(faults.Fault{Op: op, Do: "status", Status: 503, Code: "ServerBusy", Wait: 1500 * time.Millisecond})
		var refused *azcore.ResponseError
		err := do()
		if !errors.As(err, &refused) || refused.StatusCode != 503 || refused.ErrorCode != "ServerBusy" || refused.RawResponse.Header.Get("Retry-After") != "2" {
			t.Errorf("%s: %v", op, err)
		}
	}
	s.faults.Add(faults.Fault{Op: "blob.head", Do: "nonsense"})
	if _, err := b.GetProperties(ctx, nil); err == nil || !strings.Contains(err.Error(), "501") {
		t.Errorf("a fault that nobody knows: %v", err)
	}
	if left := s.faults.Unfired(); left != nil {
		t.Error(left)
	}
}

// The trap of worm storage: a commit took effect, its answer was lost, and the client's own retry finds the name taken.
func TestAmbiguousCommit(t *testing.T) {
	s := newStack(t)
	s.protect(30, true)
	c := s.containerOf(roles.Backup, s.places.VaultAccount, s.places.VaultContainer, 3).NewBlockBlobClient("b")
	s.faults.Add(faults.Fault{Op: "blob.commit", Do: "status-after", Status: 500})
	wantCode(t, commit(t.Context(), c, "text", createOnly()), "BlobAlreadyExists")
	if n := s.faults.Calls("blob.commit"); n != 2 {
		t.Errorf("%d commits", n)
	}
	got, err := s.Read(t.Context(), s.places.VaultAccount, s.places.VaultContainer, "b")
	if err != nil || string(got) != "text" {
		t.Errorf("the blob holds %q, %v", got, err)
	}
}

func TestCutUploadLeavesNothing(t *testing.T) {
	s := newStack(t)
	ctx := t.Context()
	b := s.container(roles.Backup).NewBlockBlobClient("b")
	big := strings.Repeat("x", 1<<20)
	s.faults.Add(faults.Fault{Op: "blob.put", Do: "cut"}, faults.Fault{Op: "blob.block", Do: "cut"}, faults.Fault{Op: "blob.commit", Do: "cut"})
	cutOff := func(what string, err error) {
		t.Helper()
		var answered *azcore.ResponseError
		if err == nil || errors.As(err, &answered) {
			t.Errorf("%s: %v, want a broken connection", what, err)
		}
	}
	cutOff("put", upload(ctx, b, big))
	_, err := b.StageBlock(ctx, "AAAA", body(big), nil)
	cutOff("block", err)
	_, err = b.StageBlock(ctx, "AAAB", body(big), nil)
	must(t, err)
	_, err = b.CommitBlockList(ctx, []string{"AAAB"}, nil)
	cutOff("commit", err)
	if names, err := s.Blobs(ctx, s.places.VaultAccount, s.places.VaultContainer); err != nil || names != nil {
		t.Errorf("blobs %v, %v", names, err)
	}
	list, err := b.GetBlockList(ctx, blockblob.BlockListTypeUncommitted, nil)
	must(t, err)
	if n := len(list.UncommittedBlocks); n != 1 {
		t.Errorf("%d blocks are staged", n)
	}
}

// A client that dies in the middle of an upload, without any plan, leaves nothing either.
func TestDyingUploadLeavesNothing(t *testing.T) {
	s := newStack(t)
	ctx, cancel := context.WithCancel(t.Context())
	b := s.container(roles.Backup).NewBlockBlobClient("b")
	_, err := b.Upload(ctx, &dying{zeros: zeros{size: 1 << 20}, kill: cancel}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("the upload ended with %v", err)
	}
	time.Sleep(50 * time.Millisecond)
	if names, err := s.Blobs(t.Context(), s.places.VaultAccount, s.places.VaultContainer); err != nil || names != nil {
		t.Errorf("blobs %v, %v", names, err)
	}
	wantCode(t, upload(t.Context(), b, "again"), "")
}

// dying is a body that kills its sender half way.
type dying struct {
	zeros
	kill func()
}

func (d *dying) Read(b []byte) (int, error) {
	if d.at > d.size/2 {
		d.kill()
		return 0, context.Canceled
	}
	return d.zeros.Read(b)
}

func (d *dying) Close() error { return nil }

func TestFaultsOfDownloads(t *testing.T) {
	s := newStack(t)
	ctx := t.Context()
	b := s.container(roles.Backup).NewBlockBlobClient("b")
	text := []byte(strings.Repeat("0123456789", 10_000))
	must(t, upload(ctx, b, string(text)))
	read := func() ([]byte, error) {
		res, err := b.DownloadStream(ctx, nil)
		if err != nil {
			return nil, err
		}
		defer res.Body.Close()
		return io.ReadAll(res.Body)
	}
	s.faults.Add(faults.Fault{Op: "blob.get", Do: "cut"})
	if got, err := read(); !errors.Is(err, io.ErrUnexpectedEOF) || len(got) != len(text)/2 {
		t.Errorf("cut: %d bytes, %v", len(got), err)
	}
	s.faults.Add(faults.Fault{Op: "blob.get", Do: "stall", Wait: 60 * time.Millisecond})
	began := time.Now()
	if got, err := read(); err != nil || !bytes.Equal(got, text) || time.Since(began) < 60*time.Millisecond {
		t.Errorf("stall: %d bytes after %v, %v", len(got), time.Since(began), err)
	}
	s.faults.Add(faults.Fault{Op: "blob.get", Do: "wrong-bytes"})
	got, err := read()
	must(t, err)
	differ := 0
	for i := range got {
		if got[i] != text[i] {
			differ++
		}
	}
	if len(got) != len(text) || differ != 1 {
		t.Errorf("wrong-bytes: %d bytes, %d of them wrong", len(got), differ)
	}
	// The client's own retries get over a cut.
	s.faults.Add(faults.Fault{Op: "blob.get", Do: "cut", Times: 2})
	res, err := b.DownloadStream(ctx, nil)
	must(t, err)
	whole, err := io.ReadAll(res.NewRetryReader(ctx, nil))
	if err != nil || !bytes.Equal(whole, text) {
		t.Errorf("retry reader: %d bytes, %v", len(whole), err)
	}
	if left := s.faults.Unfired(); left != nil {
		t.Error(left)
	}
}

func TestStalledUploadEndsWithItsClient(t *testing.T) {
	s := newStack(t)
	s.faults.Add(faults.Fault{Op: "blob.put", Do: "stall", Wait: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := upload(ctx, s.container(roles.Backup).NewBlockBlobClient("b"), "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ended with %v", err)
	}
	if names, err := s.Blobs(t.Context(), s.places.VaultAccount, s.places.VaultContainer); err != nil || names != nil {
		t.Errorf("blobs %v, %v", names, err)
	}
}

func TestCommandServes(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var out syncedBuilder
	done := make(chan error, 1)
	go func() {
		done <- blob.Command(ctx, []string{"--azurite", "../azurite", "--any-token", "--days", "1", "--locked"}, &out)
	}()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(out.String(), "/sql-backups"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("printed %q", out.String())
			break
		}
	}
	cancel()
	must(t, <-done)
	if err := blob.Command(ctx, nil, &out); err == nil {
		t.Error("started although every token would be refused")
	}
}
