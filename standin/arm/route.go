package arm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/bacvault/bacvault/standin/blob"
	"github.com/bacvault/bacvault/standin/faults"
)

// storageVersion is the api-version that armstorage 1.8.1 sends.
const storageVersion = "2024-01-01"

// call is one request, taken apart.
type call struct {
	who                string
	account, container string
	ifMatch            string
	body               []byte

	server, database string // instead of account and container
	version          string // the api-version, where more than one is known
	operation        string
	location         string
	fault            faults.Fault // one of the operation's own
	header           http.Header  // of the answer
	base             string       // the plane's own URL
}

// scope is what the right must be held on.
func (c call) scope() string {
	switch {
	case c.server != "":
		return c.server + "/" + c.database
	case c.operation != "":
		return c.location
	case c.container == "":
		return c.account
	}
	return c.account + "/" + c.container
}

// decode reads a request's body. Services ignore fields that they do not know.
func (c call) decode(into any) error {
	if len(c.body) == 0 {
		return nil
	}
	if err := json.Unmarshal(c.body, into); err != nil {
		return &blob.Refusal{Status: 400, Code: "InvalidRequestContent", Message: "The request content was invalid and could not be deserialized: " + err.Error()}
	}
	return nil
}

// operation is one call of the management plane.
type operation struct {
	action string
	fault  string
	own    []string // faults that do sees to itself
	do     func(s *Server, ctx context.Context, c call) (status int, body any, err error)
}

const (
	accounts   = "Microsoft.Storage/storageAccounts/"
	containers = accounts + "blobServices/containers/"
	policies   = containers + "immutabilityPolicies/"
)

// operations are by method and by what follows the account, with {} for the container; ARM's paths ignore case.
var operations = map[string]operation{
	"GET ":                     {accounts + "read", "arm.account", nil, (*Server).getAccount},
	"GET blobservices/default": {accounts + "blobServices/read", "arm.account", nil, (*Server).getBlobService},

	"GET blobservices/default/containers/{}":    {containers + "read", "arm.container", nil, (*Server).getContainer},
	"PUT blobservices/default/containers/{}":    {containers + "write", "arm.container", nil, (*Server).putContainer},
	"DELETE blobservices/default/containers/{}": {containers + "delete", "arm.container", nil, (*Server).deleteContainer},

	"GET blobservices/default/containers/{}/immutabilitypolicies/default":         {policies + "read", "arm.policy", nil, (*Server).getPolicy},
	"PUT blobservices/default/containers/{}/immutabilitypolicies/default":         {policies + "write", "arm.policy", nil, (*Server).putPolicy},
	"DELETE blobservices/default/containers/{}/immutabilitypolicies/default":      {policies + "delete", "arm.policy", nil, (*Server).deletePolicy},
	"POST blobservices/default/containers/{}/immutabilitypolicies/default/lock":   {policies + "lock/action", "arm.policy", nil, (*Server).lockPolicy},
	"POST blobservices/default/containers/{}/immutabilitypolicies/default/extend": {policies + "extend/action", "arm.policy", nil, (*Server).extendPolicy},

	"POST blobservices/default/containers/{}/setlegalhold":   {containers + "setLegalHold/action", "arm.policy", nil, (*Server).setHold},
	"POST blobservices/default/containers/{}/clearlegalhold": {containers + "clearLegalHold/action", "arm.policy", nil, (*Server).clearHold},
}

// parse takes /subscriptions/{}/resourceGroups/{}/providers/Microsoft.Storage/storageAccounts/{}/... apart.
func (s *Server) parse(r *http.Request) (call, operation, error) {
	unknown := &blob.Refusal{Status: 501, Code: "NotImplemented", Message: fmt.Sprintf("The stand-in does not know %s %s.", r.Method, r.URL.Path)}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if c, op, ok, err := s.parseSQL(r, parts); ok {
		return c, op, err
	}
	if len(parts) < 8 || !strings.EqualFold(parts[0], "subscriptions") || !strings.EqualFold(parts[2], "resourceGroups") ||
		!strings.EqualFold(strings.Join(parts[4:7], "/"), "providers/Microsoft.Storage/storageAccounts") {
		return call{}, operation{}, unknown
	}
	c := call{account: parts[7], ifMatch: r.Header.Get("If-Match")}
	rest := slices.Clone(parts[8:])
	if len(rest) > 3 && strings.EqualFold(rest[2], "containers") {
		c.container, rest[3] = rest[3], "{}"
	}
	op, ok := operations[r.Method+" "+strings.ToLower(strings.Join(rest, "/"))]
	if !ok {
		return call{}, operation{}, unknown
	}
	if err := s.find(parts[1], parts[3], storageVersion, r.URL.Query().Get("api-version")); err != nil {
		return c, op, err
	}
	if !slices.Contains(s.cfg.Accounts, c.account) {
		return c, op, noResource("Microsoft.Storage/storageAccounts/"+c.account, parts[3])
	}
	return c, op, nil
}

func noResource(resource, group string) error {
	return &blob.Refusal{Status: 404, Code: "ResourceNotFound", Message: fmt.Sprintf(
		"The Resource '%s' under resource group '%s' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix", resource, group)}
}

// find refuses what is not there in ARM's own order: the api-version, the subscription, the group.
func (s *Server) find(subscription, group, known, version string) error {
	switch {
	case version == "":
		return &blob.Refusal{Status: 400, Code: "MissingApiVersionParameter",
			Message: "The api-version query parameter (?api-version=) is required for all requests."}
	case version != known:
		return &blob.Refusal{Status: 400, Code: "InvalidApiVersionParameter",
			Message: fmt.Sprintf("The api-version '%s' is invalid. The supported versions are '%s'.", version, known)}
	case !strings.EqualFold(subscription, s.cfg.Subscription):
		return &blob.Refusal{Status: 404, Code: "SubscriptionNotFound",
			Message: fmt.Sprintf("The subscription '%s' could not be found.", subscription)}
	case !strings.EqualFold(group, s.cfg.ResourceGroup):
		return &blob.Refusal{Status: 404, Code: "ResourceGroupNotFound",
			Message: fmt.Sprintf("Resource group '%s' could not be found.", group)}
	}
	return nil
}

// id is the resource id of what follows the subscription and group.
func (s *Server) id(rest string) string {
	return "/subscriptions/" + s.cfg.Subscription + "/resourceGroups/" + s.cfg.ResourceGroup + "/providers/Microsoft.Storage/storageAccounts/" + rest
}

// errCut ends a call whose answer shall never arrive.
var errCut = errors.New("the connection is cut")

// cut hangs up before the answer.
func (s *Server) cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.cfg.Log("arm: cut: %v", err)
		return
	}
	_ = conn.Close()
}
