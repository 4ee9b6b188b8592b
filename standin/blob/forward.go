package blob

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
)

// notForwarded are the headers that end here. Azurite 3.35 answers 500 to a CRC64, and ignores or refuses protection.
var notForwarded = map[string]bool{
	"Authorization": true, "Connection": true, "Expect": true, "Te": true, "Trailer": true, "Transfer-Encoding": true,
	"Upgrade": true, "X-Ms-Content-Crc64": true, "X-Ms-Immutability-Policy-Until-Date": true,
	"X-Ms-Immutability-Policy-Mode": true, "X-Ms-Legal-Hold": true,
}

// signatures makes one account SAS for each account. It is good for the machine's time, which Azurite lives in, and never
// leaves the loopback connection to it.
func signatures(accounts map[string]string) (map[string]string, error) {
	out := map[string]string{}
	for account, key := range accounts {
		cred, err := service.NewSharedKeyCredential(account, key)
		if err != nil {
			return nil, fmt.Errorf("key of account %s: %w", account, err)
		}
		params, err := sas.AccountSignatureValues{
			Protocol:   sas.ProtocolHTTPSandHTTP,
			ExpiryTime: time.Now().AddDate(10, 0, 0),
			Permissions: (&sas.AccountPermissions{Read: true, Write: true, Delete: true, List: true, Add: true, Create: true,
				Update: true, Process: true, FilterByTags: true, Tag: true, DeletePreviousVersion: true}).String(),
			ResourceTypes: (&sas.AccountResourceTypes{Service: true, Container: true, Object: true}).String(),
		}.SignWithSharedKey(cred)
		if err != nil {
			return nil, fmt.Errorf("sign for account %s: %w", account, err)
		}
		out[account] = params.Encode()
	}
	return out, nil
}

// newTransport talks to Azurite. Node hangs up idle connections after 5 s, and an upload that meets that moment cannot be
// sent again, so ours go earlier.
func newTransport() *http.Transport {
	return &http.Transport{DisableCompression: true, IdleConnTimeout: 2 * time.Second, MaxIdleConnsPerHost: 64,
		WriteBufferSize: 128 << 10, ReadBufferSize: 128 << 10}
}

// store is Azurite's URL of a path that begins with /account, with the account's signature.
func (s *Server) store(account, escapedPath, rawQuery string) (string, *Refusal) {
	signature, ok := s.signatures[account]
	if !ok {
		return "", &Refusal{404, "ResourceNotFound", "The stand-in has no account " + account + "."}
	}
	if rawQuery != "" {
		rawQuery += "&"
	}
	return "http://" + s.cfg.Azurite + escapedPath + "?" + rawQuery + signature, nil
}

// forward sends a call on to Azurite. ctx is the gateway's life, not the client's: a commit that Azurite has got must be
// remembered here although its sender died, or a later overwrite would pass.
func (s *Server) forward(ctx context.Context, c call, body io.Reader) (*http.Response, error) {
	q := c.request.URL.Query()
	q.Del("versionid")
	target, refusal := s.store(c.account, c.request.URL.EscapedPath(), q.Encode())
	if refusal != nil {
		return nil, refusal
	}
	if c.request.ContentLength == 0 {
		body = http.NoBody
	}
	req, err := http.NewRequestWithContext(ctx, c.request.Method, target, body)
	if err != nil {
		return nil, fmt.Errorf("make a request to the store: %w", err)
	}
	req.ContentLength = c.request.ContentLength
	for name, values := range c.request.Header {
		if !notForwarded[name] {
			req.Header[name] = values
		}
	}
	if c.name == "Copy Blob" {
		source, refusal := s.copySource(c)
		if refusal != nil {
			return nil, refusal
		}
		req.Header.Set("x-ms-copy-source", source)
	}
	return s.transport.RoundTrip(req)
}

// sourceScope is what a copy reads from.
func (c call) sourceScope() string {
	u, err := url.Parse(c.header("x-ms-copy-source"))
	if err != nil {
		return ""
	}
	parts := strings.SplitN(strings.TrimPrefix(u.Path, "/"), "/", 3)
	return strings.Join(parts[:min(2, len(parts))], "/")
}

// copySource turns a source behind this gateway into the same blob in Azurite.
func (s *Server) copySource(c call) (string, *Refusal) {
	u, err := url.Parse(c.header("x-ms-copy-source"))
	if err != nil || u.Host != c.request.Host {
		return "", &Refusal{501, "NotImplemented", "The stand-in copies from its own accounts only."}
	}
	account, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	return s.store(account, u.EscapedPath(), u.RawQuery)
}

// direct does one small call to Azurite for the gateway itself.
func (s *Server) direct(ctx context.Context, method, account, path, query string, header http.Header, body []byte) (*http.Response, error) {
	target, refusal := s.store(account, (&url.URL{Path: path}).EscapedPath(), query)
	if refusal != nil {
		return nil, refusal
	}
	req, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(string(body)))
	if err != nil {
		return nil, fmt.Errorf("make a request to the store: %w", err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("x-ms-version", sas.Version)
	return s.transport.RoundTrip(req)
}

// committed says whether a blob is there; uncommitted blocks are none.
func (s *Server) committed(ctx context.Context, c call) (bool, error) {
	res, err := s.direct(ctx, http.MethodHead, c.account, "/"+c.key(), "", nil, nil)
	if err != nil {
		return false, fmt.Errorf("look for the blob: %w", err)
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
		return true, nil
	case http.StatusNotFound:
		return false, nil
	}
	return false, fmt.Errorf("look for the blob: the store answers %s", res.Status)
}
