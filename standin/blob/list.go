package blob

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

var (
	listedContainer = regexp.MustCompile(`(?s)<Container>.*?</Container>`)
	listedBlob      = regexp.MustCompile(`(?s)<Blob>.*?</Blob>`)
	listedName      = regexp.MustCompile(`(?s)<Name>(.*?)</Name>`)
	listedFlag      = regexp.MustCompile(`<(HasImmutabilityPolicy|HasLegalHold|ImmutableStorageWithVersioningEnabled)>[^<]*</[^>]*>`)
	listedModified  = regexp.MustCompile(`<Last-Modified>[^<]*</Last-Modified>`)
	listedCreated   = regexp.MustCompile(`<Creation-Time>[^<]*</Creation-Time>`)
)

// decorateList adds to each listed item what decorate adds to an answer about it alone. A page holds 5000 items at most.
func (s *Server) decorateList(c call, res *http.Response) {
	text, err := io.ReadAll(res.Body)
	if err != nil {
		// The client then sees what Azurite managed to say, and a body that is too short.
		s.cfg.Log("blob: read a list: %v", err)
		return
	}
	if c.name == "List Containers" {
		text = listedContainer.ReplaceAllFunc(text, func(item []byte) []byte { return s.decorateListedContainer(c, item) })
	} else {
		text = listedBlob.ReplaceAllFunc(text, func(item []byte) []byte { return s.decorateListedBlob(c, item) })
	}
	res.Body = io.NopCloser(bytes.NewReader(text))
	res.ContentLength = int64(len(text))
	if res.Header.Get("Content-Length") != "" {
		res.Header.Set("Content-Length", strconv.Itoa(len(text)))
	}
}

func (s *Server) decorateListedContainer(c call, item []byte) []byte {
	state, ok := s.cfg.Policies.Get(c.account, nameOf(item))
	if !ok {
		return item
	}
	item = listedFlag.ReplaceAll(item, nil)
	elements := "<HasImmutabilityPolicy>" + boolText(state.Policy != nil) + "</HasImmutabilityPolicy>" +
		"<HasLegalHold>" + boolText(len(state.Holds) > 0) + "</HasLegalHold>" +
		"<ImmutableStorageWithVersioningEnabled>" + boolText(state.Kind == VersionLevel) + "</ImmutableStorageWithVersioningEnabled>"
	return bytes.Replace(item, []byte("</Properties>"), []byte(elements+"</Properties>"), 1)
}

func (s *Server) decorateListedBlob(c call, item []byte) []byte {
	s.mu.Lock()
	rec, ok := s.records[c.account+"/"+c.container+"/"+nameOf(item)]
	s.mu.Unlock()
	if !ok {
		return item
	}
	item = listedModified.ReplaceAll(item, []byte("<Last-Modified>"+rec.modified.Format(http.TimeFormat)+"</Last-Modified>"))
	item = listedCreated.ReplaceAll(item, []byte("<Creation-Time>"+rec.created.Format(http.TimeFormat)+"</Creation-Time>"))
	include := c.request.URL.Query().Get("include")
	var elements strings.Builder
	if strings.Contains(include, "immutabilitypolicy") && !rec.until.IsZero() {
		elements.WriteString("<ImmutabilityPolicyUntilDate>" + rec.until.UTC().Format(http.TimeFormat) + "</ImmutabilityPolicyUntilDate>" +
			"<ImmutabilityPolicyMode>" + mode(rec.locked) + "</ImmutabilityPolicyMode>")
	}
	if strings.Contains(include, "legalhold") && rec.hold {
		elements.WriteString("<LegalHold>true</LegalHold>")
	}
	return bytes.Replace(item, []byte("</Properties>"), []byte(elements.String()+"</Properties>"), 1)
}

// nameOf reads the first name of a listed item.
func nameOf(item []byte) string {
	var name string
	if err := xml.Unmarshal(listedName.Find(item), &name); err != nil {
		return ""
	}
	return name
}
