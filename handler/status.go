package main

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// fullStatus is a status model that also filters its page, gives metrics, and says what a browser may do with its page.
type fullStatus interface {
	Page(query url.Values) ([]byte, error)
	Metrics() ([]byte, error)
	Headers() map[string]string
}

const (
	htmlType    = "text/html; charset=utf-8"
	jsonType    = "application/json"
	metricsType = "text/plain; version=0.0.4; charset=utf-8"
)

// status is the HTTP function: a page for people, JSON for machines, metrics for Prometheus. Whoever comes here has shown the
// function's key or has passed App Service authentication: the host sees to that.
func (h *handler) status(ctx context.Context, inv invocation) (answer, error) {
	r, err := inv.request()
	if err != nil {
		return answer{}, err
	}
	m := h.model(ctx)
	full, ok := m.(fullStatus)
	kind, query := wants(r)
	var body []byte
	switch {
	case kind == jsonType:
		body, err = m.JSON()
	case kind == metricsType && ok:
		body, err = full.Metrics()
	case ok:
		body, err = full.Page(query)
	default:
		kind = htmlType
		body, err = m.HTML()
	}
	if err != nil {
		return answer{}, err
	}
	a := httpAnswer(http.StatusOK, kind, body)
	if ok && kind == htmlType {
		maps.Copy(a.Outputs["res"].(map[string]any)["headers"].(map[string]string), full.Headers())
	}
	return a, nil
}

// wants tells the form that the caller asks for, by path, query or header, and the query.
func wants(r request) (kind string, query url.Values) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return htmlType, nil
	}
	query = u.Query()
	is := func(form string) bool {
		return strings.HasSuffix(u.Path, "/"+form) || strings.HasSuffix(u.Path, "."+form) || query.Get("format") == form
	}
	switch {
	case is("json"):
		return jsonType, query
	case is("metrics"):
		return metricsType, query
	}
	for name, values := range r.Headers {
		if strings.EqualFold(name, "Accept") && slices.ContainsFunc(values, func(v string) bool { return strings.HasPrefix(v, "application/json") }) {
			return jsonType, query
		}
	}
	return htmlType, query
}
