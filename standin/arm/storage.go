package arm

import (
	"context"
	"net/http"
	"time"

	"github.com/bacvault/bacvault/standin/blob"
)

// resource is the frame of every answer.
type resource struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Type       string `json:"type"`
	Etag       string `json:"etag,omitempty"`
	Location   string `json:"location,omitempty"`
	Kind       string `json:"kind,omitempty"`
	SKU        any    `json:"sku,omitempty"`
	Properties any    `json:"properties"`
}

func (r resource) etag() string { return r.Etag }

type policyProperties struct {
	Days            int    `json:"immutabilityPeriodSinceCreationInDays"`
	State           string `json:"state"`
	AppendWrites    *bool  `json:"allowProtectedAppendWrites,omitempty"`
	AppendWritesAll *bool  `json:"allowProtectedAppendWritesAll,omitempty"`
}

type update struct {
	Update   string    `json:"update"`
	Days     int       `json:"immutabilityPeriodSinceCreationInDays"`
	At       time.Time `json:"timestamp"`
	ObjectID string    `json:"objectIdentifier"`
}

type tag struct {
	Tag      string    `json:"tag"`
	At       time.Time `json:"timestamp"`
	ObjectID string    `json:"objectIdentifier"`
}

type hold struct {
	HasLegalHold    bool  `json:"hasLegalHold"`
	Tags            any   `json:"tags"`
	AppendWritesAll *bool `json:"allowProtectedAppendWritesAll,omitempty"`
}

// getAccount shows the defaults of a vault's account: version-level support is set for containers, not for the account.
func (s *Server) getAccount(_ context.Context, c call) (int, any, error) {
	return http.StatusOK, resource{
		ID: s.id(c.account), Name: c.account, Type: "Microsoft.Storage/storageAccounts", Location: "uksouth", Kind: "StorageV2",
		SKU: map[string]string{"name": "Standard_GZRS", "tier": "Standard"},
		Properties: map[string]any{
			"provisioningState": "Succeeded", "allowSharedKeyAccess": false, "allowBlobPublicAccess": false,
			"supportsHttpsTrafficOnly": true, "minimumTlsVersion": "TLS1_2",
		},
	}, nil
}

func (s *Server) getBlobService(_ context.Context, c call) (int, any, error) {
	versioned := false
	for _, name := range s.cfg.Policies.List(c.account) {
		state, _ := s.cfg.Policies.Get(c.account, name)
		versioned = versioned || state.Kind == blob.VersionLevel
	}
	off := map[string]any{"enabled": false}
	return http.StatusOK, resource{
		ID: s.id(c.account + "/blobServices/default"), Name: "default", Type: "Microsoft.Storage/storageAccounts/blobServices",
		Properties: map[string]any{
			"isVersioningEnabled": versioned, "deleteRetentionPolicy": off, "containerDeleteRetentionPolicy": off,
		},
	}, nil
}

func (s *Server) getContainer(_ context.Context, c call) (int, any, error) {
	state, ok := s.cfg.Policies.Get(c.account, c.container)
	if !ok {
		return 0, nil, noContainer()
	}
	return http.StatusOK, s.container(c, state), nil
}

func (s *Server) putContainer(ctx context.Context, c call) (int, any, error) {
	var want struct {
		Properties struct {
			Versioned struct {
				Enabled bool `json:"enabled"`
			} `json:"immutableStorageWithVersioning"`
		} `json:"properties"`
	}
	if err := c.decode(&want); err != nil {
		return 0, nil, err
	}
	if state, ok := s.cfg.Policies.Get(c.account, c.container); ok {
		return http.StatusOK, s.container(c, state), nil
	}
	if s.cfg.CreateContainer == nil {
		return 0, nil, &blob.Refusal{Status: 501, Code: "NotImplemented", Message: "This stand-in was started without a store to create containers in."}
	}
	kind := blob.ContainerLevel
	if want.Properties.Versioned.Enabled {
		kind = blob.VersionLevel
	}
	if err := s.cfg.CreateContainer(ctx, c.account, c.container, kind); err != nil {
		return 0, nil, err
	}
	state, ok := s.cfg.Policies.Get(c.account, c.container)
	if !ok {
		return 0, nil, noContainer()
	}
	return http.StatusCreated, s.container(c, state), nil
}

func (s *Server) deleteContainer(ctx context.Context, c call) (int, any, error) {
	if _, ok := s.cfg.Policies.Get(c.account, c.container); !ok {
		return http.StatusNoContent, nil, nil
	}
	if s.cfg.DeleteContainer == nil {
		return 0, nil, &blob.Refusal{Status: 501, Code: "NotImplemented", Message: "This stand-in was started without a store to delete containers from."}
	}
	return http.StatusOK, nil, s.cfg.DeleteContainer(ctx, c.account, c.container)
}

func noContainer() error {
	return &blob.Refusal{Status: 404, Code: "ContainerNotFound", Message: "The specified container does not exist."}
}

// container is what only the management plane shows: state, period and history of the policy, and the tags of the hold.
func (s *Server) container(c call, state blob.Container) resource {
	properties := map[string]any{
		"publicAccess": "None", "leaseStatus": "Unlocked", "leaseState": "Available", "lastModifiedTime": state.Changed,
		"defaultEncryptionScope": "$account-encryption-key", "denyEncryptionScopeOverride": false,
		"hasImmutabilityPolicy": state.Policy != nil, "hasLegalHold": len(state.Holds) > 0,
	}
	if p := state.Policy; p != nil {
		history := []update{}
		for _, u := range p.History {
			history = append(history, update{u.Kind, u.Days, u.At, u.By})
		}
		properties["immutabilityPolicy"] = map[string]any{"properties": policyOf(*p), "etag": p.Etag, "updateHistory": history}
	}
	if len(state.Holds) > 0 {
		tags := []tag{}
		for _, h := range state.Holds {
			tags = append(tags, tag{h.Tag, h.At, h.By})
		}
		properties["legalHold"] = map[string]any{"hasLegalHold": true, "tags": tags}
	}
	if state.Kind == blob.VersionLevel {
		properties["immutableStorageWithVersioning"] = map[string]any{"enabled": true, "timeStamp": state.Changed}
	}
	return resource{
		ID:   s.id(c.account + "/blobServices/default/containers/" + c.container),
		Name: c.container, Type: "Microsoft.Storage/storageAccounts/blobServices/containers", Etag: state.Etag, Properties: properties,
	}
}
