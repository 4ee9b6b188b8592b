package main

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// status is the HTTP function: a page for people, JSON for machines.
func (h *handler) status(ctx context.Context, inv invocation) (answer, error) {
	r, err := inv.request()
	if err != nil {
		return answer{}, err
	}
	m := h.model(ctx)
	if wantsJSON(r) {
		b, err := m.JSON()
		if err != nil {
			return answer{}, err
		}
		return httpAnswer(http.StatusOK, "application/json", b), nil
	}
	b, err := m.HTML()
	if err != nil {
		return answer{}, err
	}
	return httpAnswer(http.StatusOK, "text/html; charset=utf-8", b), nil
}

func wantsJSON(r request) bool {
	if u, err := url.Parse(r.URL); err == nil && (strings.HasSuffix(u.Path, ".json") || strings.HasSuffix(u.Path, "/json") || u.Query().Get("format") == "json") {
		return true
	}
	for name, values := range r.Headers {
		if strings.EqualFold(name, "Accept") {
			return slices.ContainsFunc(values, func(v string) bool { return strings.HasPrefix(v, "application/json") })
		}
	}
	return false
}
