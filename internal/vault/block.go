package vault

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
)

// blockID derives from place and content, so that a second try finds what is there already. All ids of a blob must have one
// length, at most 64 bytes before base64: these have 48.
func blockID(i int, data []byte) string {
	sum := sha256.Sum256(data)
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%07d-%x", i, sum[:20]))
}

// crc64NVME is the table of the CRC that Azure Storage checks (x-ms-content-crc64): CRC-64/NVME, reflected.
func crc64NVME() *crc64.Table { return crc64.MakeTable(0x9A6C9329AC4BC9B5) }

// checksum is the CRC that goes with a request's body, so that the store refuses bytes that were damaged on the way.
func checksum(data []byte) blob.TransferValidationType {
	return blob.TransferValidationTypeCRC64(crc64.Checksum(data, crc64NVME()))
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
