package blob

import (
	"net/http"
	"strings"
)

// effect is what an operation does to a blob, as far as immutability asks.
type effect int

const (
	none     effect = iota
	creates         // makes a blob or overwrites it
	stages          // leaves uncommitted blocks
	modifies        // changes a blob that is there
	appends         // makes a blob longer
	deletes
	protects // changes the policy or hold of one version
)

// operation is one call of the Blob service, as its REST reference names it.
type operation struct {
	name string
	// fault is the name that a fault plan knows it by.
	fault string
	// actions are the rights of which a caller needs one; see "Permissions for blob service operations".
	actions []string
	effect  effect
	// freeInVersions means that version-level immutability does not list it as refused.
	freeInVersions bool
}

const (
	storage    = "Microsoft.Storage/storageAccounts/"
	containers = storage + "blobServices/containers/"
	blobs      = containers + "blobs/"

	containerRead  = containers + "read"
	containerWrite = containers + "write"
	blobRead       = blobs + "read"
	blobWrite      = blobs + "write"
	blobAdd        = blobs + "add/action"
	superUser      = blobs + "immutableStorage/runAsSuperUser/action"
)

// call is one request, taken apart.
type call struct {
	operation
	account, container, blob string
	request                  *http.Request
}

func (c call) header(name string) string { return c.request.Header.Get(name) }

// key is the blob's name in everything that the gateway remembers.
func (c call) key() string { return c.account + "/" + c.container + "/" + c.blob }

// scope is what the right must be held on.
func (c call) scope() string {
	if c.container == "" {
		return c.account
	}
	return c.account + "/" + c.container
}

// parse takes a path-style request apart. What it does not know it refuses with the operation's own name.
func parse(r *http.Request) (call, *Refusal) {
	parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 3)
	c := call{account: parts[0], request: r}
	if len(parts) > 1 {
		c.container = parts[1]
	}
	if len(parts) > 2 {
		c.blob = parts[2]
	}
	known := blobOperations
	switch {
	case c.container == "":
		known = serviceOperations
	case c.blob == "":
		known = containerOperations
	}
	q := r.URL.Query()
	comp := q.Get("comp")
	name := strings.TrimSpace(r.Method + " " + comp)
	if r.Method == http.MethodPut && comp == "" && c.blob != "" && c.header("x-ms-copy-source") != "" {
		name = "PUT copy-source"
	}
	if comp == "lease" && c.header("x-ms-lease-action") == "" {
		return c, &Refusal{400, "MissingRequiredHeader", "x-ms-lease-action is missing."}
	}
	op, ok := known[name]
	if !ok {
		return c, &Refusal{501, "NotImplemented", "The stand-in does not know the operation " + name + " on " + level(c) + "."}
	}
	c.operation = op
	if c.effect == deletes && q.Get("versionid") != "" {
		c.actions = []string{blobs + "deleteBlobVersion/action"}
	}
	return c, nil
}

func level(c call) string {
	switch {
	case c.container == "":
		return "the service"
	case c.blob == "":
		return "a container"
	}
	return "a blob"
}

func read(name, fault, action string) operation {
	return operation{name: name, fault: fault, actions: []string{action}}
}

var serviceOperations = map[string]operation{
	"GET list":       read("List Containers", "blob.containers", containerRead),
	"GET properties": read("Get Blob Service Properties", "", storage+"blobServices/read"),
	"PUT properties": read("Set Blob Service Properties", "", storage+"blobServices/write"),
}

var containerOperations = map[string]operation{
	"PUT":          read("Create Container", "blob.create", containerWrite),
	"GET":          read("Get Container Properties", "blob.container", containerRead),
	"HEAD":         read("Get Container Properties", "blob.container", containerRead),
	"DELETE":       {name: "Delete Container", actions: []string{containers + "delete"}, effect: deletes},
	"GET metadata": read("Get Container Metadata", "", containerRead),
	"PUT metadata": read("Set Container Metadata", "", containerWrite),
	"GET acl":      read("Get Container ACL", "", containers+"getAcl/action"),
	"PUT acl":      read("Set Container ACL", "", containers+"setAcl/action"),
	"PUT lease":    read("Lease Container", "", containerWrite),
	"GET list":     read("List Blobs", "blob.list", blobRead),
}

var blobOperations = map[string]operation{
	"GET":           read("Get Blob", "blob.get", blobRead),
	"HEAD":          read("Get Blob Properties", "blob.head", blobRead),
	"GET metadata":  read("Get Blob Metadata", "blob.head", blobRead),
	"HEAD metadata": read("Get Blob Metadata", "blob.head", blobRead),
	"GET blocklist": read("Get Block List", "blob.blocks", blobRead),
	"GET pagelist":  read("Get Page Ranges", "", blobRead),
	"GET tags":      read("Get Blob Tags", "", blobs+"tags/read"),

	"PUT":             {name: "Put Blob", fault: "blob.put", actions: []string{blobWrite, blobAdd}, effect: creates},
	"PUT blocklist":   {name: "Put Block List", fault: "blob.commit", actions: []string{blobWrite}, effect: creates},
	"PUT copy-source": {name: "Copy Blob", fault: "blob.copy", actions: []string{blobWrite, blobAdd}, effect: creates},
	"PUT block":       {name: "Put Block", fault: "blob.block", actions: []string{blobWrite}, effect: stages},
	"PUT metadata":    {name: "Set Blob Metadata", actions: []string{blobWrite}, effect: modifies},
	"PUT properties":  {name: "Set Blob Properties", actions: []string{blobWrite}, effect: modifies, freeInVersions: true},
	"PUT snapshot":    {name: "Snapshot Blob", actions: []string{blobWrite, blobAdd}, effect: modifies, freeInVersions: true},
	"PUT page":        {name: "Put Page", actions: []string{blobWrite}, effect: modifies},
	"PUT appendblock": {name: "Append Block", actions: []string{blobWrite, blobAdd}, effect: appends},
	"DELETE":          {name: "Delete Blob", fault: "blob.delete", actions: []string{blobs + "delete"}, effect: deletes},

	// Not in any list of what immutability refuses.
	"PUT tier":  {name: "Set Blob Tier", fault: "blob.tier", actions: []string{blobWrite}},
	"PUT tags":  {name: "Set Blob Tags", actions: []string{blobs + "tags/write"}},
	"PUT lease": {name: "Lease Blob", fault: "blob.lease", actions: []string{blobWrite}},

	"PUT immutabilityPolicies":    {name: "Set Blob Immutability Policy", actions: []string{superUser}, effect: protects},
	"DELETE immutabilityPolicies": {name: "Delete Blob Immutability Policy", actions: []string{superUser}, effect: protects},
	"PUT legalhold":               {name: "Set Blob Legal Hold", actions: []string{superUser}, effect: protects},
}
