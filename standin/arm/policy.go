package arm

import (
	"context"
	"net/http"

	"github.com/bacvault/bacvault/standin/blob"
)

func (s *Server) getPolicy(_ context.Context, c call) (int, any, error) {
	state, ok := s.cfg.Policies.Get(c.account, c.container)
	switch {
	case !ok:
		return 0, nil, noContainer()
	case state.Policy != nil && c.ifMatch != "" && c.ifMatch != "*" && c.ifMatch != state.Policy.Etag:
		return 0, nil, blob.WrongETag()
	case state.Policy != nil:
		return http.StatusOK, s.policy(c, *state.Policy), nil
	case s.cfg.MissingPolicyIs404:
		return 0, nil, &blob.Refusal{Status: 404, Code: "ImmutabilityPolicyNotFound", Message: "The container has no immutability policy."}
	}
	// What DeleteImmutabilityPolicy is documented to answer: an unlocked policy of no days.
	return http.StatusOK, s.policy(c, blob.Policy{}), nil
}

func (s *Server) putPolicy(_ context.Context, c call) (int, any, error) {
	days, appendWrites, appendWritesAll, err := wanted(c)
	if err != nil {
		return 0, nil, err
	}
	p, err := s.cfg.Policies.PutPolicy(c.account, c.container, c.ifMatch, c.who, days, appendWrites, appendWritesAll)
	return http.StatusOK, s.policy(c, p), err
}

func (s *Server) lockPolicy(_ context.Context, c call) (int, any, error) {
	p, err := s.cfg.Policies.LockPolicy(c.account, c.container, c.ifMatch, c.who)
	return http.StatusOK, s.policy(c, p), err
}

func (s *Server) extendPolicy(_ context.Context, c call) (int, any, error) {
	days, _, _, err := wanted(c)
	if err != nil {
		return 0, nil, err
	}
	if days == nil {
		return 0, nil, &blob.Refusal{Status: 400, Code: "InvalidRequestPropertyValue", Message: "immutabilityPeriodSinceCreationInDays is required."}
	}
	p, err := s.cfg.Policies.ExtendPolicy(c.account, c.container, c.ifMatch, c.who, *days)
	return http.StatusOK, s.policy(c, p), err
}

func (s *Server) deletePolicy(_ context.Context, c call) (int, any, error) {
	p, err := s.cfg.Policies.DeletePolicy(c.account, c.container, c.ifMatch)
	return http.StatusOK, s.policy(c, p), err
}

func (s *Server) setHold(_ context.Context, c call) (int, any, error) {
	return s.changeHold(c, func(tags []string, appendWritesAll bool) (blob.Container, error) {
		return s.cfg.Policies.SetHold(c.account, c.container, c.who, tags, appendWritesAll)
	})
}

func (s *Server) clearHold(_ context.Context, c call) (int, any, error) {
	return s.changeHold(c, func(tags []string, _ bool) (blob.Container, error) {
		return s.cfg.Policies.ClearHold(c.account, c.container, tags)
	})
}

func (s *Server) changeHold(c call, change func(tags []string, appendWritesAll bool) (blob.Container, error)) (int, any, error) {
	var want struct {
		Tags            []string `json:"tags"`
		AppendWritesAll bool     `json:"allowProtectedAppendWritesAll"`
	}
	if err := c.decode(&want); err != nil {
		return 0, nil, err
	}
	if len(want.Tags) == 0 {
		return 0, nil, &blob.Refusal{Status: 400, Code: "InvalidRequestPropertyValue", Message: "tags is required."}
	}
	state, err := change(want.Tags, want.AppendWritesAll)
	if err != nil {
		return 0, nil, err
	}
	tags := []string{}
	for _, h := range state.Holds {
		tags = append(tags, h.Tag)
	}
	return http.StatusOK, hold{len(tags) > 0, tags, &state.HoldAppendWritesAll}, nil
}

// wanted reads the policy of a request. Its state is read-only: only the lock call locks.
func wanted(c call) (days *int, appendWrites, appendWritesAll bool, err error) {
	var want struct {
		Properties struct {
			Days            *int `json:"immutabilityPeriodSinceCreationInDays"`
			AppendWrites    bool `json:"allowProtectedAppendWrites"`
			AppendWritesAll bool `json:"allowProtectedAppendWritesAll"`
		} `json:"properties"`
	}
	if err := c.decode(&want); err != nil {
		return nil, false, false, err
	}
	return want.Properties.Days, want.Properties.AppendWrites, want.Properties.AppendWritesAll, nil
}

func (s *Server) policy(c call, p blob.Policy) resource {
	return resource{
		ID:   s.id(c.account + "/blobServices/default/containers/" + c.container + "/immutabilityPolicies/default"),
		Name: "default", Type: "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies",
		Etag: p.Etag, Properties: policyOf(p),
	}
}

func policyOf(p blob.Policy) policyProperties {
	out := policyProperties{Days: p.Days, State: "Unlocked"}
	if p.Locked {
		out.State = "Locked"
	}
	if p.AppendWrites {
		out.AppendWrites = &p.AppendWrites
	}
	if p.AppendWritesAll {
		out.AppendWritesAll = &p.AppendWritesAll
	}
	return out
}
