package arm

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/bacvault/bacvault/standin/blob"
)

// sqlVersion is the api-version that armsql 1.2.0 sends for databases.
const sqlVersion = "2021-05-01-preview"

const location = "uksouth"

// Databases is a logical server as the plane reaches it. The funcs are the server's back doors.
type Databases struct {
	Server string // its short name
	// Copy starts a copy and returns; fault is "hang", "fail" or empty.
	Copy     func(source, target, objective, fault string) error
	Drop     func(name string) error
	Describe func(name string) (Database, bool)
	List     func() []string
	// Pool is the elastic pool that a database is in; nil is none.
	Pool func(name string) string
}

// Database is one database. ID stays when it is renamed, and no other one ever has it. State is in the words of sys.databases.
type Database struct {
	ID                                         uint64
	Name, State, Collation, Edition, Objective string
	MaxBytes                                   int64
	Created                                    time.Time
}

// operationOf is a long-running operation on one database, or (kind) on its policies, which it only tells the end of.
type operationOf struct {
	kind     string
	database string
	drops    bool
	begun    time.Time
	code     string // it ends with this error once the database is no longer being copied
	hangs    bool
	ends     time.Time // of a slow one
}

const (
	databases          = "Microsoft.Sql/servers/databases/"
	locations          = "Microsoft.Sql/locations/"
	databaseOperations = "databaseAzureAsyncOperation"
)

// operationVersions are the kinds of operations that have an address, and the api-version of each.
var operationVersions = map[string]string{
	databaseOperations: sqlVersion, shortTermOperations: shortTermVersion, longTermOperations: longTermVersion,
}

var onDatabases = map[string]operation{
	"GET":    {databases + "read", "arm.database", nil, (*Server).getDatabase},
	"LIST":   {databases + "read", "arm.database", nil, (*Server).listDatabases},
	"PUT":    {databases + "write", "arm.database.write", []string{"fail-operation", "hang-operation"}, (*Server).putDatabase},
	"DELETE": {databases + "delete", "arm.database.delete", nil, (*Server).deleteDatabase},
}

// parseSQL takes .../providers/Microsoft.Sql/servers/{}/databases[/{}[/{policy}/default]] apart, and the address of an operation.
func (s *Server) parseSQL(r *http.Request, parts []string) (c call, op operation, ok bool, err error) {
	version := r.URL.Query().Get("api-version")
	method := r.Method
	switch {
	case len(parts) == 8 && strings.EqualFold(strings.Join(parts[2:5], "/"), "providers/Microsoft.Sql/locations") && operationVersions[parts[6]] != "":
		c = call{location: parts[5], operation: parts[7]}
		if method != http.MethodGet {
			return c, op, false, nil
		}
		op = operation{locations + parts[6] + "/read", "arm.operation", nil, (*Server).getOperation}
		return c, op, true, s.find(parts[1], s.cfg.ResourceGroup, operationVersions[parts[6]], version)
	case len(parts) < 9 || len(parts) > 12 || len(parts) == 11 || !strings.EqualFold(parts[0], "subscriptions") || !strings.EqualFold(parts[2], "resourceGroups") ||
		!strings.EqualFold(strings.Join(parts[4:7], "/"), "providers/Microsoft.Sql/servers") || !strings.EqualFold(parts[8], "databases"):
		return c, op, false, nil
	}
	c.server, c.version = parts[7], version
	if len(parts) > 9 {
		c.database = parts[9]
	} else if method == http.MethodGet {
		method = "LIST"
	}
	known := sqlVersion
	if len(parts) == 12 {
		op, known, ok = parseRetention(method, parts[10], parts[11], version)
	} else {
		op, ok = onDatabases[method]
	}
	if !ok {
		return c, op, false, nil
	}
	if err := s.find(parts[1], parts[3], known, version); err != nil {
		return c, op, true, err
	}
	if !strings.EqualFold(c.server, s.cfg.Databases.Server) {
		return c, op, true, &blob.Refusal{Status: 404, Code: "ParentResourceNotFound", Message: fmt.Sprintf(
			"Can not perform requested operation on nested resource. Parent resource '%s' not found.", c.server)}
	}
	return c, op, true, nil
}

func (s *Server) getDatabase(_ context.Context, c call) (int, any, error) {
	d, ok := s.cfg.Databases.Describe(c.database)
	if !ok {
		return 0, nil, noResource("Microsoft.Sql/servers/"+c.server+"/databases/"+c.database, s.cfg.ResourceGroup)
	}
	return http.StatusOK, s.databaseOf(d), nil
}

func (s *Server) listDatabases(context.Context, call) (int, any, error) {
	value := []resource{}
	for _, name := range s.cfg.Databases.List() {
		if d, ok := s.cfg.Databases.Describe(name); ok {
			value = append(value, s.databaseOf(d))
		}
	}
	return http.StatusOK, map[string]any{"value": value}, nil
}

// statuses are the plane's words for those of sys.databases.
var statuses = map[string]string{"ONLINE": "Online", "COPYING": "Copying", "SUSPECT": "Suspect"}

func (s *Server) databaseOf(d Database) resource {
	objective := d.Objective
	if objective == "" {
		objective = "S0"
	}
	properties := map[string]any{
		"status": statuses[d.State], "collation": d.Collation, "creationDate": d.Created.Format(time.RFC3339Nano),
		"currentServiceObjectiveName": objective, "requestedServiceObjectiveName": objective, "maxSizeBytes": d.MaxBytes,
	}
	if pool := s.poolOf(d.Name); pool != "" {
		properties["elasticPoolId"] = s.serverID() + "/elasticPools/" + pool
	}
	return resource{
		ID: s.serverID() + "/databases/" + d.Name, Name: d.Name, Type: "Microsoft.Sql/servers/databases", Location: location,
		SKU: map[string]any{"name": objective, "tier": d.Edition}, Properties: properties,
	}
}

func (s *Server) poolOf(name string) string {
	if s.cfg.Databases.Pool == nil {
		return ""
	}
	return s.cfg.Databases.Pool(name)
}

func (s *Server) serverID() string {
	return "/subscriptions/" + s.cfg.Subscription + "/resourceGroups/" + s.cfg.ResourceGroup + "/providers/Microsoft.Sql/servers/" + s.cfg.Databases.Server
}

// putDatabase makes copies and nothing else.
func (s *Server) putDatabase(_ context.Context, c call) (int, any, error) {
	var want struct {
		Location string `json:"location"`
		SKU      *struct {
			Name string `json:"name"`
		} `json:"sku"`
		Properties struct {
			CreateMode       string `json:"createMode"`
			SourceDatabaseID string `json:"sourceDatabaseId"`
			ElasticPoolID    string `json:"elasticPoolId"`
		} `json:"properties"`
	}
	if err := c.decode(&want); err != nil {
		return 0, nil, err
	}
	source, known := strings.CutPrefix(strings.ToLower(want.Properties.SourceDatabaseID), strings.ToLower(s.serverID()+"/databases/"))
	objective := ""
	if want.SKU != nil {
		objective = want.SKU.Name
	}
	switch {
	case want.Properties.CreateMode != "Copy":
		return 0, nil, &blob.Refusal{Status: 501, Code: "NotImplemented", Message: fmt.Sprintf("The stand-in does not know the create mode %q.", want.Properties.CreateMode)}
	case want.Location == "":
		return 0, nil, &blob.Refusal{Status: 400, Code: "LocationRequired", Message: "The location property is required for this definition."}
	case !strings.EqualFold(want.Location, location):
		return 0, nil, &blob.Refusal{Status: 400, Code: "InvalidLocation", Message: "The database is not in the location of its server."}
	case objective != "" && want.Properties.ElasticPoolID != "":
		return 0, nil, &blob.Refusal{Status: 400, Code: "ElasticPoolSkuCombinationInvalid",
			Message: "Elastic pool and sku can be specified together only if sku is specified as 'ElasticPool'."}
	}
	if _, there := s.cfg.Databases.Describe(source); !known || !there {
		return 0, nil, &blob.Refusal{Status: 400, Code: "SourceDatabaseNotFound", Message: "The source database does not exist."}
	}
	if _, there := s.cfg.Databases.Describe(c.database); there {
		return 0, nil, &blob.Refusal{Status: 409, Code: "RemoteDatabaseExists", Message: "The destination database name already exists on the destination server."}
	}
	op := operationOf{database: c.database, begun: s.cfg.Clock.Now()}
	fault := ""
	switch c.fault.Do {
	case "fail-operation":
		fault, op.code = "fail", c.fault.Code
	case "hang-operation":
		fault, op.hangs = "hang", true
	}
	if err := s.cfg.Databases.Copy(source, c.database, objective, fault); err != nil {
		return 0, nil, &blob.Refusal{Status: 400, Code: "InvalidSku", Message: err.Error()} // the only thing left that it refuses
	}
	s.begin(c, op)
	return http.StatusAccepted, map[string]any{"operation": "CreateDatabaseAsCopy", "startTime": op.begun}, nil
}

func (s *Server) deleteDatabase(_ context.Context, c call) (int, any, error) {
	if _, there := s.cfg.Databases.Describe(c.database); !there {
		return http.StatusNoContent, nil, nil
	}
	if err := s.cfg.Databases.Drop(c.database); err != nil {
		return 0, nil, err
	}
	op := operationOf{database: c.database, drops: true, begun: s.cfg.Clock.Now()}
	s.begin(c, op)
	return http.StatusAccepted, map[string]any{"operation": "DropLogicalDatabase", "startTime": op.begun}, nil
}

// begin gives an operation its address. The real plane's Location names another resource; clients that know
// Azure-AsyncOperation never ask it.
func (s *Server) begin(c call, op operationOf) {
	if op.kind == "" {
		op.kind = databaseOperations
	}
	id := uuid.NewString()
	s.mu.Lock()
	s.copies[id] = op
	s.mu.Unlock()
	at := fmt.Sprintf("%s/subscriptions/%s/providers/Microsoft.Sql/locations/%s/%s/%s?api-version=%s",
		c.base, s.cfg.Subscription, location, op.kind, id, operationVersions[op.kind])
	c.header.Set("Azure-AsyncOperation", at)
	c.header.Set("Location", at)
}

func (s *Server) getOperation(_ context.Context, c call) (int, any, error) {
	s.mu.Lock()
	op, ok := s.copies[c.operation]
	s.mu.Unlock()
	if !ok {
		return 0, nil, &blob.Refusal{Status: 404, Code: "OperationIdNotFound", Message: fmt.Sprintf("The operation with Id '%s' does not exist.", c.operation)}
	}
	if op.kind != databaseOperations {
		return http.StatusOK, op.policyChange(c.operation, s.cfg.Clock.Now()), nil
	}
	d, there := s.cfg.Databases.Describe(op.database)
	body := map[string]any{"name": c.operation, "startTime": op.begun, "status": "Succeeded"}
	switch {
	case op.drops:
	case op.hangs, there && d.State == "COPYING":
		body["status"] = "InProgress"
	case !there || d.State != "ONLINE":
		code := op.code
		if code == "" {
			code = "InternalServerError"
		}
		body["status"] = "Failed"
		body["error"] = map[string]string{"code": code, "message": "The copy of the database ended half-way."}
	}
	return http.StatusOK, body, nil
}

// policyChange tells how a change of a policy ended; without a fault it was over when it was begun.
func (op operationOf) policyChange(id string, now time.Time) map[string]any {
	body := map[string]any{"name": id, "startTime": op.begun, "status": "Succeeded"}
	switch {
	case op.hangs, now.Before(op.ends):
		body["status"] = "InProgress"
	case op.code != "":
		body["status"] = "Failed"
		body["error"] = map[string]string{"code": op.code, "message": "Planned fault: the policy is as it was."}
	}
	return body
}
