package blob

import (
	"net/http"
	"strings"
	"time"
)

// versionForm is the service's form of a version id: a time to a tenth of a microsecond.
const versionForm = "2006-01-02T15:04:05.0000000Z"

// protection is the policy and hold that a request names for one version.
type protection struct {
	until  time.Time
	locked bool
	hold   bool
}

// wanted reads the three headers of version-level immutability.
func (s *Server) wanted(c call) (protection, *Refusal) {
	var p protection
	bad := func(header, why string) (protection, *Refusal) {
		return p, &Refusal{400, "InvalidHeaderValue", "The value for one of the HTTP headers is not in the correct format: " + header + ": " + why}
	}
	mode, until := c.header("x-ms-immutability-policy-mode"), c.header("x-ms-immutability-policy-until-date")
	switch {
	case mode != "" && !strings.EqualFold(mode, "locked") && !strings.EqualFold(mode, "unlocked"):
		return bad("x-ms-immutability-policy-mode", mode)
	case mode != "" && until == "":
		return bad("x-ms-immutability-policy-until-date", "missing")
	case until != "":
		t, err := http.ParseTime(until)
		if err != nil {
			return bad("x-ms-immutability-policy-until-date", until)
		}
		if !t.After(s.cfg.Clock.Now()) {
			return bad("x-ms-immutability-policy-until-date", "is past")
		}
		p.until, p.locked = t, strings.EqualFold(mode, "locked")
	}
	p.hold = strings.EqualFold(c.header("x-ms-legal-hold"), "true")
	return p, nil
}

// protectNew gives a new version what its writer asked for, or else the container's default.
func (s *Server) protectNew(c call, state Container, rec *record) {
	p, refusal := s.wanted(c)
	if refusal != nil { // judged before the write; only a moved clock gets here
		s.cfg.Log("blob: %v", refusal)
	}
	if p.until.IsZero() && state.Policy != nil {
		p.until = rec.created.Add(time.Duration(state.Policy.Days) * 24 * time.Hour)
		p.locked = state.Policy.Locked
	}
	rec.until, rec.locked, rec.hold = p.until, p.locked, p.hold
	rec.version = rec.created.Format(versionForm)
}

// protectVersion changes the policy or hold of the current version. It does not change the ETag.
func (s *Server) protectVersion(w http.ResponseWriter, c call) *Refusal {
	rec := s.record(c)
	h := w.Header()
	switch c.name {
	case "Set Blob Immutability Policy":
		p, refusal := s.wanted(c)
		switch {
		case refusal != nil:
			return refusal
		case p.until.IsZero():
			return &Refusal{400, "MissingRequiredHeader", "x-ms-immutability-policy-until-date is missing."}
		case rec.locked && (!p.locked || p.until.Before(rec.until)):
			return &Refusal{409, byPolicy.Code, "A locked policy can only be extended."}
		}
		rec.until, rec.locked = p.until, p.locked
		h.Set("x-ms-immutability-policy-until-date", rec.until.UTC().Format(http.TimeFormat))
		h.Set("x-ms-immutability-policy-mode", mode(rec.locked))
	case "Delete Blob Immutability Policy":
		if rec.locked && rec.retained(s.cfg.Clock.Now()) {
			return &Refusal{409, "ImmutabilityPolicyDeleteOnLockedPolicy", "A locked immutability policy cannot be deleted."}
		}
		rec.until, rec.locked = time.Time{}, false
	case "Set Blob Legal Hold":
		rec.hold = strings.EqualFold(c.header("x-ms-legal-hold"), "true")
		h.Set("x-ms-legal-hold", boolText(rec.hold))
	}
	s.mu.Lock()
	s.records[c.key()] = rec
	s.mu.Unlock()
	h.Set("x-ms-version", c.header("x-ms-version"))
	h.Set("x-ms-request-id", requestID())
	w.WriteHeader(http.StatusOK)
	return nil
}

// mode is the wire's form in answers: lower case, although requests say Locked and Unlocked.
func mode(locked bool) string {
	if locked {
		return "locked"
	}
	return "unlocked"
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}
