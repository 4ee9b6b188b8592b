package app

import (
	"testing"

	"github.com/bacvault/bacvault/internal/sqlpackage"
)

// sqlpackage is whom we are: a person where the platform offers no identity, and never anybody but the app's own in the app.
func TestTheToolSignsInAsWhoeverRunsIt(t *testing.T) {
	endpoint := []string{"IDENTITY_ENDPOINT=http://127.0.0.1/token"}
	for name, c := range map[string]struct {
		client string
		o      Options
		want   sqlpackage.Login
	}{
		"the handler":                              {"id", Options{}, sqlpackage.LoginManagedIdentity},
		"the handler with an endpoint":             {"id", Options{Environ: endpoint}, sqlpackage.LoginManagedIdentity},
		"an operator at a machine of their own":    {"id", Options{Operator: true}, sqlpackage.LoginDefault},
		"an operator with an empty endpoint":       {"id", Options{Operator: true, Environ: []string{"IDENTITY_ENDPOINT="}}, sqlpackage.LoginDefault},
		"an operator where there is an identity":   {"id", Options{Operator: true, Environ: endpoint}, sqlpackage.LoginManagedIdentity},
		"an operator who names none, though it is": {"", Options{Operator: true, Environ: endpoint}, sqlpackage.LoginDefault},
	} {
		if got := toolLogin(c.client, c.o); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
