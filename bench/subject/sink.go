package main

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// sink is a store in this process that forgets every byte, so that what is left is the product's own cost. With a width it
// takes them no faster than a wire of so many MiB a second would.
type sink struct {
	width int

	mu   sync.Mutex
	busy time.Time // until when the wire is taken
	size int64
	meta http.Header
}

func newSink(width int) *sink { return &sink{width: width, meta: http.Header{}} }

// Do implements policy.Transporter with the four answers that Stage and Commit need.
func (s *sink) Do(r *http.Request) (*http.Response, error) {
	comp := r.URL.Query().Get("comp")
	switch {
	case r.Method == http.MethodGet:
		return s.answer(r, http.StatusNotFound, http.Header{"X-Ms-Error-Code": {"BlobNotFound"}}), nil
	case r.Method == http.MethodHead:
		h := s.meta.Clone()
		h.Set("Content-Length", strconv.FormatInt(s.size, 10))
		return s.answer(r, http.StatusOK, h), nil
	case comp == "block":
		n, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{r.Body}, make([]byte, 64<<10))
		if err != nil {
			return nil, err
		}
		s.take(n)
		return s.answer(r, http.StatusCreated, http.Header{}), nil
	}
	for name, values := range r.Header {
		if strings.HasPrefix(strings.ToLower(name), "x-ms-meta-") {
			s.meta[http.CanonicalHeaderKey(name)] = values
		}
	}
	return s.answer(r, http.StatusCreated, http.Header{}), nil
}

// take waits for as long as the wire needs for n bytes, one block after the other.
func (s *sink) take(n int64) {
	s.mu.Lock()
	s.size += n
	if s.width == 0 {
		s.mu.Unlock()
		return
	}
	now := time.Now()
	if s.busy.Before(now) {
		s.busy = now
	}
	s.busy = s.busy.Add(time.Duration(float64(n) / float64(s.width<<20) * float64(time.Second)))
	wait := s.busy.Sub(now)
	s.mu.Unlock()
	time.Sleep(wait)
}

func (s *sink) answer(r *http.Request, status int, h http.Header) *http.Response {
	now := time.Now().UTC().Format(http.TimeFormat)
	h.Set("ETag", `"0x8D0000000000001"`)
	h.Set("Last-Modified", now)
	h.Set("X-Ms-Creation-Time", now)
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: h, Body: http.NoBody, Request: r, ProtoMajor: 1, ProtoMinor: 1}
}
