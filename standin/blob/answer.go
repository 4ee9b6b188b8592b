package blob

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/bacvault/bacvault/standin/faults"
)

func requestID() string { return uuid.NewString() }

// decorate adds to Azurite's answer what only the gateway knows.
func (s *Server) decorate(c call, res *http.Response, body *checked) {
	h := res.Header
	h.Del("Connection")
	h.Del("Keep-Alive")
	h.Set("x-ms-version", c.header("x-ms-version")) // Azurite names its own, the service the request's
	if res.StatusCode/100 != 2 {
		return
	}
	if body.wantCRC != nil {
		h.Set("x-ms-content-crc64", base64.StdEncoding.EncodeToString(body.sum()))
	}
	state, known := s.cfg.Policies.Get(c.account, c.container)
	switch {
	case c.name == "List Containers" || c.name == "List Blobs":
		s.decorateList(c, res)
	case !known:
	case c.name == "Get Container Properties":
		for name, value := range flags(state) {
			h.Set(name, boolText(value))
		}
	case c.blob != "" && (c.effect == none && c.request.Method != http.MethodPut || c.effect == creates || c.effect == appends):
		s.decorateBlob(c, h, state)
	}
}

// flags are what the data plane shows of a container's immutability: neither state nor period.
func flags(state Container) map[string]bool {
	return map[string]bool{
		"x-ms-has-immutability-policy":                   state.Policy != nil,
		"x-ms-has-legal-hold":                            len(state.Holds) > 0,
		"x-ms-immutable-storage-with-versioning-enabled": state.Kind == VersionLevel,
	}
}

// decorateBlob puts a blob's times into the stack's time, and adds what protects a version. Nothing is said to show a
// container's policy on its blobs, so it does not.
func (s *Server) decorateBlob(c call, h http.Header, state Container) {
	s.mu.Lock()
	rec, ok := s.records[c.key()]
	s.mu.Unlock()
	if !ok {
		return
	}
	if h.Get("Last-Modified") != "" {
		h.Set("Last-Modified", rec.modified.Format(http.TimeFormat))
	}
	if h.Get("x-ms-creation-time") != "" {
		h.Set("x-ms-creation-time", rec.created.Format(http.TimeFormat))
	}
	if state.Kind != VersionLevel {
		return
	}
	h.Set("x-ms-version-id", rec.version)
	if c.effect != none {
		return
	}
	h.Set("x-ms-is-current-version", "true")
	if !rec.until.IsZero() {
		h.Set("x-ms-immutability-policy-until-date", rec.until.UTC().Format(http.TimeFormat))
		h.Set("x-ms-immutability-policy-mode", mode(rec.locked))
	}
	if rec.hold {
		h.Set("x-ms-legal-hold", "true")
	}
}

// answer streams Azurite's answer to the client, with the faults that are about the answer's body.
func (s *Server) answer(w http.ResponseWriter, c call, res *http.Response, f faults.Fault) {
	for name, values := range res.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(res.StatusCode)
	if c.request.Method == http.MethodHead {
		return
	}
	half := res.ContentLength / 2
	switch f.Do {
	case "cut":
		_, err := io.CopyN(w, res.Body, half)
		s.cut(w, err)
		return
	case "stall":
		if _, err := io.CopyN(w, res.Body, half); err != nil || !s.stall(w, c, f.Wait) {
			s.cut(w, err)
			return
		}
	case "wrong-bytes":
		// One byte in the middle, its bits turned over.
		if _, err := io.CopyN(w, res.Body, half); err != nil {
			s.cut(w, err)
			return
		}
		b := make([]byte, 1)
		if _, err := io.ReadFull(res.Body, b); err != nil {
			s.cut(w, err)
			return
		}
		res.Body = io.NopCloser(io.MultiReader(bytes.NewReader([]byte{^b[0]}), res.Body))
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{w}, res.Body, make([]byte, 256<<10)); err != nil {
		s.cut(w, err)
	}
}

// failBefore applies the faults that come before the call is looked at, and says whether it is over.
func (s *Server) failBefore(w http.ResponseWriter, c call, f faults.Fault) (over bool) {
	reads := c.fault == "blob.get" || c.fault == "blob.list"
	switch {
	case f.Do == "status":
		s.refuse(w, c.request, planned(w, f))
		return true
	case f.Do == "cut" && !reads:
		_, err := io.CopyN(io.Discard, c.request.Body, c.request.ContentLength/2)
		s.cut(w, err)
		return true
	case f.Do == "stall" && !reads:
		return !s.wait(c, f.Wait)
	case f.Do == "status-after", f.Do == "cut", f.Do == "stall", f.Do == "wrong-bytes" && c.fault == "blob.get":
		return false
	}
	s.refuse(w, c.request, &Refusal{501, "UnknownFault", "The stand-in does not know the fault " + strconv.Quote(f.Do) + " on " + c.fault + "."})
	return true
}

// planned is the error answer of a fault. 503 ServerBusy is what the service says most often.
func planned(w http.ResponseWriter, f faults.Fault) *Refusal {
	if f.Status == 0 {
		f.Status = http.StatusServiceUnavailable
	}
	if f.Code == "" {
		f.Code = map[int]string{503: "ServerBusy", 500: "InternalError"}[f.Status]
	}
	if f.Wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((f.Wait+time.Second-1)/time.Second)))
	}
	return &Refusal{f.Status, f.Code, "Planned fault."}
}

// stall lets the client have what was written so far, then keeps it waiting.
func (s *Server) stall(w http.ResponseWriter, c call, d time.Duration) (goesOn bool) {
	if err := http.NewResponseController(w).Flush(); err != nil {
		s.cfg.Log("blob: stall: %v", err)
		return false
	}
	return s.wait(c, d)
}

func (s *Server) wait(c call, d time.Duration) (goesOn bool) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.request.Context().Done():
		return false
	}
}

// cut hangs up, so that the client sees a broken connection and not a short answer.
func (s *Server) cut(w http.ResponseWriter, why error) {
	control := http.NewResponseController(w)
	if err := control.Flush(); err != nil {
		s.cfg.Log("blob: cut: %v", err)
	}
	conn, _, err := control.Hijack()
	if err != nil {
		s.cfg.Log("blob: cut: %v", err)
		return
	}
	s.cfg.Log("blob: connection cut (%v)", why)
	_ = conn.Close()
}
