package blob

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

// errorBody is the Blob service's error answer.
type errorBody struct {
	XMLName xml.Name `xml:"Error"`
	Code    string   `xml:"Code"`
	Message string   `xml:"Message"`
}

// refuse answers with the service's headers and body. The rest of an upload is read first, because a server that hangs up
// on a client that is still sending makes it see a broken connection in place of the answer.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, refusal *Refusal) {
	if r.Header.Get("Expect") == "" {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			s.cfg.Log("blob: client left before the answer: %v", err)
		}
	}
	s.cfg.Log("blob: %s %s: %d %s", r.Method, r.URL.Path, refusal.Status, refusal.Code)
	id := uuid.NewString()
	h := w.Header()
	h.Set("x-ms-error-code", refusal.Code)
	h.Set("x-ms-request-id", id)
	h.Set("x-ms-version", r.Header.Get("x-ms-version"))
	if refusal.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer authorization_uri=https://login.microsoftonline.com/`+challengeTenant+`/oauth2/authorize resource_id=`+audience)
	}
	if r.Method == http.MethodHead {
		w.WriteHeader(refusal.Status)
		return
	}
	h.Set("Content-Type", "application/xml")
	body := errorBody{Code: refusal.Code, Message: fmt.Sprintf("%s\nRequestId:%s\nTime:%s",
		refusal.Message, id, s.cfg.Clock.Now().Format(time.RFC3339Nano))}
	text, err := xml.Marshal(body)
	if err != nil {
		s.cfg.Log("blob: write an error: %v", err)
	}
	w.WriteHeader(refusal.Status)
	_, _ = io.WriteString(w, xml.Header+string(text)) // a client that left is no concern
}

// audience is the resource that storage tokens are for; challengeTenant only fills the challenge's form, which azblob reads.
const (
	audience        = "https://storage.azure.com"
	challengeTenant = "b0000000-0000-4000-8000-0000000000ff"
)

// authenticate finds out who calls. The account's keys are as if allowSharedKeyAccess were false.
func (s *Server) authenticate(r *http.Request) (string, *Refusal) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case strings.EqualFold(scheme, "SharedKey"), strings.EqualFold(scheme, "SharedKeyLite"), r.URL.Query().Has("sig"):
		return "", &Refusal{403, "KeyBasedAuthenticationNotPermitted", "Key based authentication is not permitted on this storage account."}
	case scheme == "":
		return "", &Refusal{401, "NoAuthenticationInformation",
			"Server failed to authenticate the request. Please refer to the information in the www-authenticate header."}
	}
	err := errors.New("only Bearer is known here, not " + scheme)
	if strings.EqualFold(scheme, "Bearer") {
		if s.cfg.Authenticate == nil {
			err = errors.New("no tokens are known here")
		} else {
			var who string
			if who, err = s.cfg.Authenticate(token, audience); err == nil {
				return who, nil
			}
		}
	}
	s.cfg.Log("blob: %v", err)
	return "", &Refusal{401, "InvalidAuthenticationInfo", "Server failed to authenticate the request: " + err.Error()}
}

// authorise says whether the caller may do this. Creating with the add right alone is settled later, by whether the blob
// is there: mayOverwrite says so.
func (s *Server) authorise(c call, who string) (mayOverwrite bool, refusal *Refusal) {
	allowed := func(action, scope string) bool { return s.cfg.Allow != nil && s.cfg.Allow(who, action, scope) }
	mismatch := &Refusal{403, "AuthorizationPermissionMismatch",
		"This request is not authorized to perform this operation using this permission."}
	found := false
	for _, action := range c.actions {
		if allowed(action, c.scope()) {
			found = true
			mayOverwrite = mayOverwrite || action == blobWrite
		}
	}
	if !found {
		s.cfg.Log("blob: %s lacks %s on %s", who, strings.Join(c.actions, " or "), c.scope())
		return false, mismatch
	}
	if c.name == "Copy Blob" && !allowed(blobRead, c.sourceScope()) {
		s.cfg.Log("blob: %s lacks %s on %s", who, blobRead, c.sourceScope())
		return false, mismatch
	}
	if c.effect == creates && c.setsProtection() && !allowed(superUser, c.scope()) {
		s.cfg.Log("blob: %s lacks %s on %s", who, superUser, c.scope())
		return false, mismatch
	}
	return mayOverwrite, nil
}

// setsProtection says whether a write carries a policy or hold of its own.
func (c call) setsProtection() bool {
	return c.header("x-ms-immutability-policy-until-date") != "" || c.header("x-ms-immutability-policy-mode") != "" ||
		c.header("x-ms-legal-hold") != ""
}
