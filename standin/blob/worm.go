package blob

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// record is what the gateway remembers of a committed blob: Azurite has no versions, and lives in the machine's time.
type record struct {
	created, modified time.Time
	appendable        bool

	// The rest is of version-level immutability: the current version, and what protects it.
	version  string
	versions int
	until    time.Time
	locked   bool
	hold     bool
}

func (r record) retained(now time.Time) bool { return now.Before(r.until) }

var (
	byPolicy = &Refusal{409, "BlobImmutableDueToPolicy", "This operation is not permitted as the blob is immutable due to a policy."}
	byHold   = &Refusal{409, "BlobImmutableDueToLegalHold",
		"This operation is not permitted as the blob is immutable due to one or more legal holds."}
	alreadyExists = &Refusal{409, "BlobAlreadyExists", "The specified blob already exists."}
)

// judge says what immutability, and the lack of the right to overwrite, make of a call.
func (s *Server) judge(ctx context.Context, c call, mayOverwrite bool) (*Refusal, error) {
	state, known := s.cfg.Policies.Get(c.account, c.container)
	if !known || c.effect == none && !c.request.URL.Query().Has("versionid") {
		return nil, nil // Azurite knows what to say about a missing container
	}
	if c.blob == "" {
		return s.judgeContainer(c, state), nil
	}
	if refusal := s.judgeForm(c, state); refusal != nil {
		return refusal, nil
	}
	worm := state.Kind == VersionLevel || state.Policy != nil || len(state.Holds) > 0
	if !worm && (c.effect != creates || mayOverwrite) {
		return nil, nil
	}
	there, err := s.committed(ctx, c)
	switch {
	case err != nil:
		return nil, err
	case !there && c.effect == protects:
		return &Refusal{404, "BlobNotFound", "The specified blob does not exist."}, nil
	case !there:
		return nil, nil
	case c.effect == creates && !mayOverwrite:
		return s.judgeAddOnly(c), nil
	case state.Kind == VersionLevel:
		return s.judgeVersion(c), nil
	}
	return s.judgeContainerLevel(c, state), nil
}

// judgeAddOnly is for a writer with blobs/add/action and without blobs/write. The code is that of a create-only SAS; what
// the service says to a role is not documented.
func (s *Server) judgeAddOnly(c call) *Refusal {
	if c.header("If-None-Match") == "*" {
		return alreadyExists
	}
	return &Refusal{403, "UnauthorizedBlobOverwrite", "This request is not authorized to perform blob overwrites."}
}

// judgeContainerLevel is the table of "Container-level WORM policies". A policy that has run out still refuses every change
// but the delete.
func (s *Server) judgeContainerLevel(c call, state Container) *Refusal {
	rec := s.record(c)
	held := len(state.Holds) > 0
	retained := false
	if state.Policy != nil {
		start := rec.created
		if rec.appendable && (state.Policy.AppendWrites || state.Policy.AppendWritesAll) {
			start = rec.modified
		}
		retained = s.cfg.Clock.Now().Before(start.Add(time.Duration(state.Policy.Days) * 24 * time.Hour))
	}
	why := byPolicy
	if held && !retained {
		why = byHold
	}
	switch c.effect {
	case deletes:
		if held || retained {
			return why
		}
		return nil
	case stages:
		if !s.cfg.RefuseBlockOnExisting {
			return nil
		}
	case creates:
		if c.header("If-None-Match") == "*" && !s.cfg.ImmutableBeatsExists {
			return alreadyExists
		}
	case appends:
		byTime := state.Policy == nil || state.Policy.AppendWrites || state.Policy.AppendWritesAll
		if byTime && (!held || state.HoldAppendWritesAll) {
			return nil
		}
	}
	return why
}

// judgeVersion is the table of "Version-level WORM policies": an overwrite is a new version, so it passes.
func (s *Server) judgeVersion(c call) *Refusal {
	rec := s.record(c)
	switch {
	case c.effect == creates, c.effect == stages, c.effect == protects, c.freeInVersions:
		return nil
	case rec.retained(s.cfg.Clock.Now()):
		return byPolicy
	case rec.hold:
		return byHold
	}
	return nil
}

// judgeForm refuses what the container's kind does not know.
func (s *Server) judgeForm(c call, state Container) *Refusal {
	if state.Kind != VersionLevel && (c.effect == protects || c.effect == creates && c.setsProtection()) {
		// The real code is not documented.
		return &Refusal{409, "ImmutableStorageWithVersioningNotEnabled",
			"The container does not have immutable storage with versioning enabled."}
	}
	if version := c.request.URL.Query().Get("versionid"); version != "" && version != s.record(c).version {
		return &Refusal{501, "NotImplemented", "The stand-in counts earlier versions but does not keep them."}
	}
	if c.effect == creates && c.setsProtection() {
		_, refusal := s.wanted(c)
		return refusal
	}
	return nil
}

// judgeContainer is about Delete Container, which the data plane refuses to any container with a policy, locked or not.
func (s *Server) judgeContainer(c call, state Container) *Refusal {
	switch {
	case c.effect != deletes:
		return nil
	case len(state.Holds) > 0:
		return &Refusal{409, "ContainerHasLegalHold", "The container has a legal hold and cannot be deleted."}
	case state.Policy != nil && state.Kind == ContainerLevel:
		return &Refusal{409, "ContainerImmutabilityPolicyLocked", "The container has an immutability policy and cannot be deleted."}
	case state.Kind == VersionLevel && s.count(c.account, c.container) > 0:
		return &Refusal{409, "ContainerProtectedFromDeletion", "The container has version-level immutability and is not empty."}
	}
	return nil
}

func (s *Server) record(c call) record {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec, ok := s.records[c.key()]
	if !ok {
		now := s.cfg.Clock.Now()
		rec = record{created: now, modified: now}
	}
	return rec
}

func (s *Server) count(account, container string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.records {
		if strings.HasPrefix(key, account+"/"+container+"/") {
			n++
		}
	}
	return n
}

// remember notes what a call that took effect did.
func (s *Server) remember(c call) {
	if c.blob == "" {
		s.rememberContainer(c)
		return
	}
	now := s.cfg.Clock.Now()
	state, _ := s.cfg.Policies.Get(c.account, c.container)
	fresh := record{created: now, modified: now, appendable: strings.EqualFold(c.header("x-ms-blob-type"), "AppendBlob")}
	if state.Kind == VersionLevel && c.effect == creates {
		s.protectNew(c, state, &fresh)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, there := s.records[c.key()]
	switch c.effect {
	case creates:
		fresh.versions = old.versions + 1
		s.records[c.key()] = fresh
	case modifies, appends:
		if there && c.name != "Snapshot Blob" {
			old.modified = now
			s.records[c.key()] = old
		}
	case deletes:
		if !c.request.URL.Query().Has("snapshot") && !strings.EqualFold(c.header("x-ms-delete-snapshots"), "only") {
			delete(s.records, c.key())
		}
	}
}

func (s *Server) rememberContainer(c call) {
	switch {
	case c.name == "Create Container":
		s.cfg.Policies.Add(c.account, c.container, ContainerLevel)
	case c.request.Method == http.MethodDelete:
		s.forget(c.account, c.container)
	}
}

func (s *Server) forget(account, container string) {
	s.cfg.Policies.Remove(account, container)
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.records {
		if strings.HasPrefix(key, account+"/"+container+"/") {
			delete(s.records, key)
		}
	}
}
