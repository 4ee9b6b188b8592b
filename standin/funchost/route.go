package funchost

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// route is an ASP.NET route template: literals, {name}, {name?} and {*rest} as the last segment.
type route []segment

type segment struct {
	literal  string
	param    string
	optional bool
	catchAll bool
}

var parameter = regexp.MustCompile(`^\{(\*?)([A-Za-z][A-Za-z0-9_]*)(\??)\}$`)

// parseRoute refuses what this host does not serve: constraints, default values and segments of several parts. An optional
// parameter behind a dot, as in status{.ext?}, is no valid template.
func parseRoute(template string) (route, error) {
	var r route
	parts := strings.Split(strings.Trim(template, "/"), "/")
	for i, p := range parts {
		if !strings.ContainsAny(p, "{}") {
			r = append(r, segment{literal: p})
			continue
		}
		m := parameter.FindStringSubmatch(p)
		if m == nil {
			return nil, fmt.Errorf("route %q: segment %q is not served here", template, p)
		}
		s := segment{param: m[2], catchAll: m[1] != "", optional: m[3] != "" || m[1] != ""}
		if s.optional && i != len(parts)-1 {
			return nil, fmt.Errorf("route %q: %q can only be the last segment", template, p)
		}
		r = append(r, s)
	}
	return r, nil
}

// match compares an escaped path without its prefix; literals match in any case. Parameters without a value are left out.
func (r route) match(path string) (params []member, ok bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if parts[0] == "" {
		parts = nil
	}
	for i, s := range r {
		switch {
		case i >= len(parts):
			return params, s.optional
		case s.catchAll:
			rest, err := url.PathUnescape(strings.Join(parts[i:], "/"))
			return append(params, member{s.param, rest}), err == nil
		}
		v, err := url.PathUnescape(parts[i])
		if err != nil || s.param == "" && !strings.EqualFold(v, s.literal) {
			return nil, false
		}
		if s.param != "" {
			params = append(params, member{s.param, v})
		}
	}
	return params, len(parts) == len(r)
}
