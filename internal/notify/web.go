package notify

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// shortestSecret is the length from which a piece of the webhook's path or query counts as one.
const shortestSecret = 6

// revealer makes a test for texts that hold a piece of the webhook's address that could be its secret: all but the host.
func revealer(u *url.URL) func(string) bool {
	pieces := strings.FieldsFunc(u.EscapedPath()+"/"+u.Path+"/"+u.RawQuery, func(r rune) bool { return strings.ContainsRune("/?&=;", r) })
	for _, values := range u.Query() {
		pieces = append(pieces, values...)
	}
	if p, ok := u.User.Password(); ok {
		pieces = append(pieces, p)
	}
	pieces = append(pieces, u.User.Username())
	pieces = slices.DeleteFunc(pieces, func(p string) bool { return len(p) < shortestSecret })
	return func(text string) bool {
		return slices.ContainsFunc(pieces, func(p string) bool { return strings.Contains(text, p) })
	}
}

// retryAfter reads the header's two forms, seconds and a date (RFC 9110, section 10.2.3); 0 is none.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
