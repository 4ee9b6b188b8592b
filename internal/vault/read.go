package vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// Head looks at a blob: false if it is not there.
func (v *Vault) Head(ctx context.Context, name string) (Stored, bool, error) {
	p, err := v.c.NewBlobClient(name).GetProperties(ctx, nil)
	if absent(err) {
		return Stored{}, false, nil
	}
	c := reading("look at %s", name)
	if err != nil {
		return Stored{}, false, v.failure(ctx, c, err)
	}
	if p.ContentLength == nil || p.ETag == nil || p.LastModified == nil {
		return Stored{}, false, v.failure(ctx, c, errors.New("the answer has no length, ETag or date"))
	}
	s := Stored{
		Blob:     bacvault.Blob{Name: name, Size: *p.ContentLength, ETag: string(*p.ETag)},
		Created:  p.LastModified.UTC(),
		Metadata: make(map[string]string, len(p.Metadata)),
		Existing: true,
	}
	if p.CreationTime != nil {
		s.Created = p.CreationTime.UTC()
	}
	for k, val := range p.Metadata {
		if val != nil {
			s.Metadata[strings.ToLower(k)] = *val
		}
	}
	s.Blob.SHA256 = strings.ToLower(s.Metadata[MetaSHA256])
	// While a blob is being rehydrated its tier is still Archive.
	s.Archived = p.AccessTier != nil && strings.EqualFold(*p.AccessTier, string(blob.AccessTierArchive))
	return s, true, nil
}

// readSmall reads a manifest or a proof whole.
func (v *Vault) readSmall(ctx context.Context, name string) (data []byte, found bool, err error) {
	c := reading("read %s", name)
	resp, err := v.c.NewBlobClient(name).DownloadStream(ctx, nil)
	if absent(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, v.failure(ctx, c, err)
	}
	body := resp.NewRetryReader(ctx, nil)
	defer func() { err = errors.Join(err, body.Close()) }()
	data, err = io.ReadAll(io.LimitReader(body, maxSmall+1))
	if err == nil && len(data) > maxSmall {
		err = fmt.Errorf("it is longer than %d bytes", maxSmall)
	}
	if err != nil {
		return nil, false, v.failure(ctx, c, err)
	}
	return data, true, nil
}
