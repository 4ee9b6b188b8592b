package vault

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/minio/crc64nvme"
)

// blockID derives from a block's place and from the hash of the archive up to its end, which the hash of the whole passes
// through anyway: hashing the block alone would be a second SHA-256 over every byte. A second try finds what is there
// already, up to the first byte that differs. All ids of a blob must have one length, at most 64 bytes before base64: these
// have 48.
func blockID(i int, upTo []byte) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%07d-%x", i, upTo[:20]))
}

// checksum is the CRC that goes with a request's body (x-ms-content-crc64), so that the store refuses bytes that were damaged
// on the way. It is CRC-64/NVME; hash/crc64 reads 1 to 2 GB/s, this one is bound by memory.
func checksum(data []byte) blob.TransferValidationType {
	return blob.TransferValidationTypeCRC64(crc64nvme.Checksum(data))
}

// body is a request body over a buffer that is used again. net/http may still read a body after the call has returned (when
// the answer came before the whole body was sent), so the owner revokes it before it lets the buffer go.
type body struct {
	mu sync.Mutex
	r  *bytes.Reader
}

var errRevoked = errors.New("the request that this body belonged to is over")

func newBody(data []byte) *body { return &body{r: bytes.NewReader(data)} }

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.r == nil {
		return 0, errRevoked
	}
	return b.r.Read(p)
}

func (b *body) Seek(offset int64, whence int) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.r == nil {
		return 0, errRevoked
	}
	return b.r.Seek(offset, whence)
}

// Close does nothing: azcore seeks and reads again for the next try.
func (b *body) Close() error { return nil }

func (b *body) revoke() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.r = nil
}

var _ io.ReadSeekCloser = (*body)(nil)
