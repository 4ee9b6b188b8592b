package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// The version of the API that the product puts long-term policies with, and the first stable one that tells of immutability.
const (
	longTermVersion  = "2020-11-01-preview"
	immutableVersion = "2025-01-01"
)

type longTermBody struct {
	Properties longTermPolicy `json:"properties"`
}

type longTermPolicy struct {
	Weekly    string `json:"weeklyRetention"`
	Monthly   string `json:"monthlyRetention"`
	Yearly    string `json:"yearlyRetention"`
	Week      int    `json:"weekOfYear"`
	Immutable string `json:"timeBasedImmutability,omitempty"`
	Mode      string `json:"timeBasedImmutabilityMode,omitempty"`
}

// longTerm puts an immutable policy, unlocked, on our own copy, then one as the product's version of the API would, and reads
// what became of the immutability. The product never does that: it refuses. The copy is dropped before a weekly backup is due.
func (a *acceptance) longTerm(ctx context.Context) (detail string, err error) {
	switch {
	case !a.o.longTerm:
		return "", skipped("no --ltr was given")
	case a.parts.Management == nil:
		return "", skipped("BACVAULT_SQL_RESOURCE_GROUP is not set")
	}
	plane, err := arm.NewClient("bacvault-acceptance", "v0.0.0", a.parts.Credential, a.plane())
	if err != nil {
		return "", err
	}
	off := longTermPolicy{Weekly: "PT0S", Monthly: "PT0S", Yearly: "PT0S", Week: 1}
	week := longTermPolicy{Weekly: "P1W", Monthly: "PT0S", Yearly: "PT0S", Week: 1}
	ordinary := week
	ordinary.Weekly = "P2W" // so that it can be told from the first one
	immutable := week
	immutable.Immutable, immutable.Mode = "Enabled", "Unlocked"
	defer func() {
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Minute)
		defer cancel()
		disabled := off
		disabled.Immutable = "Disabled"
		if _, derr := a.putLongTerm(after, plane, "switch it off again", immutableVersion, disabled); derr != nil {
			err = errors.Join(err, fmt.Errorf("the policy of %s could not be switched off again; the database is dropped: %w", a.live, derr))
		}
	}()
	first, err := a.putLongTerm(ctx, plane, "put it immutable, unlocked", immutableVersion, immutable)
	if err != nil {
		return "", err
	}
	second, err := a.putLongTerm(ctx, plane, "put an ordinary one over it at "+longTermVersion, longTermVersion, ordinary)
	if err != nil {
		return "", err
	}
	detail = fmt.Sprintf("after the immutable PUT: %s %s; after the ordinary PUT: %s %s", first.Immutable, first.Mode, second.Immutable, second.Mode)
	a.answers[10] = detail
	return detail, nil
}

// putLongTerm puts, waits until the plane shows it or gives up, and gives what is there.
func (a *acceptance) putLongTerm(ctx context.Context, plane *arm.Client, what, version string, p longTermPolicy) (longTermPolicy, error) {
	at := a.try(ctx, "long-term retention: "+what, answered, func(ctx context.Context) error {
		_, err := a.callLongTerm(ctx, plane, http.MethodPut, version, p)
		return err
	})
	if at.Differs {
		return p, fmt.Errorf("%s: %d %s %s", what, at.Status, at.Code, at.Error)
	}
	for {
		got, err := a.callLongTerm(ctx, plane, http.MethodGet, immutableVersion, p)
		if err != nil || got.Weekly == p.Weekly && shows(got.Immutable, p.Immutable) {
			return got, err
		}
		select {
		case <-ctx.Done():
			return got, context.Cause(ctx)
		case <-time.After(10 * time.Second):
		}
	}
}

// shows says whether the immutability that was asked for is there; a policy that names none leaves it to the service.
func shows(got, asked string) bool {
	return asked == "" || (got == "Enabled") == (asked == "Enabled")
}

func (a *acceptance) callLongTerm(ctx context.Context, plane *arm.Client, method, version string, p longTermPolicy) (out longTermPolicy, err error) {
	address := runtime.JoinPaths(plane.Endpoint(), "subscriptions", url.PathEscape(a.cfg.SQLSubscription), "resourceGroups", url.PathEscape(a.cfg.SQLResourceGroup),
		"providers/Microsoft.Sql/servers", url.PathEscape(a.parts.Server), "databases", url.PathEscape(a.live), "backupLongTermRetentionPolicies/default")
	req, err := runtime.NewRequest(ctx, method, address)
	if err != nil {
		return out, err
	}
	req.Raw().URL.RawQuery = url.Values{"api-version": {version}}.Encode()
	req.Raw().Header.Set("Accept", "application/json")
	if method == http.MethodPut {
		if err := runtime.MarshalAsJSON(req, longTermBody{p}); err != nil {
			return out, err
		}
	}
	resp, err := plane.Pipeline().Do(req)
	if err != nil {
		return out, err
	}
	if !runtime.HasStatusCode(resp, http.StatusOK, http.StatusAccepted) {
		return out, runtime.NewResponseError(resp)
	}
	b, err := runtime.Payload(resp)
	if err != nil || method == http.MethodPut {
		return out, err
	}
	var got longTermBody
	err = json.Unmarshal(b, &got)
	return got.Properties, err
}
