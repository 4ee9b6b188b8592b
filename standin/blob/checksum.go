package blob

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"sync/atomic"

	"github.com/minio/crc64nvme" // CRC-64/NVME, which Azure Storage uses; a loaded table would make the gateway the slow part of a measurement
)

var errMismatch = errors.New("the body does not have the sum that its header names")

// checked passes an upload on while it sums it up, and holds back only its last piece: that is passed on when the sums
// agree, and otherwise the upload breaks off, so that Azurite never has the whole of a bad one.
type checked struct {
	body io.Reader
	left int64
	crc  hash.Hash64
	md5  hash.Hash
	// wantCRC and wantMD5 are nil where the request names none.
	wantCRC, wantMD5 []byte

	refusal atomic.Pointer[Refusal]
}

// newChecked reads the sums that a request names.
func newChecked(c call) (*checked, *Refusal) {
	k := &checked{body: c.request.Body, left: c.request.ContentLength, crc: crc64nvme.New(), md5: md5.New()}
	for _, sum := range []struct {
		header string
		size   int
		into   *[]byte
	}{{"x-ms-content-crc64", 8, &k.wantCRC}, {"Content-MD5", md5.Size, &k.wantMD5}} {
		text := c.header(sum.header)
		if text == "" {
			continue
		}
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(b) != sum.size {
			return nil, &Refusal{400, "InvalidHeaderValue", "The value for one of the HTTP headers is not in the correct format: " + sum.header + "."}
		}
		*sum.into = b
	}
	if k.wantCRC != nil && k.wantMD5 != nil {
		return nil, &Refusal{400, "InvalidHeaderValue", "Content-MD5 and x-ms-content-crc64 cannot both be given."}
	}
	if k.left == 0 {
		k.settle()
	}
	return k, k.refusal.Load()
}

func (k *checked) Read(b []byte) (int, error) {
	n, err := k.body.Read(b)
	if k.wantCRC != nil {
		k.crc.Write(b[:n]) // hashes do not fail
	}
	if k.wantMD5 != nil {
		k.md5.Write(b[:n])
	}
	if k.left -= int64(n); k.left == 0 && n > 0 {
		if k.settle(); k.refusal.Load() != nil {
			return 0, errMismatch
		}
	}
	return n, err
}

// sum is the CRC64 in the header's form: base64 of eight bytes, the lowest first.
func (k *checked) sum() []byte { return binary.LittleEndian.AppendUint64(nil, k.crc.Sum64()) }

func (k *checked) settle() {
	switch {
	case k.wantCRC != nil && !bytes.Equal(k.wantCRC, k.sum()):
		k.refusal.Store(&Refusal{400, "Crc64Mismatch",
			"The CRC64 value specified in the request did not match with the CRC64 value calculated by the server."})
	case k.wantMD5 != nil && !bytes.Equal(k.wantMD5, k.md5.Sum(nil)):
		k.refusal.Store(&Refusal{400, "Md5Mismatch",
			"The MD5 value specified in the request did not match with the MD5 value calculated by the server."})
	}
}
