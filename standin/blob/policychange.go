package blob

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Bounds of a container's policy, from "Time-based retention policies for immutable blob data".
const (
	maxDays       = 146000
	maxExtensions = 5
	maxHolds      = 10
)

var holdTag = regexp.MustCompile(`^[a-z0-9]{3,23}$`)

// PutPolicy makes or changes an unlocked policy. Without days an existing policy keeps its own.
func (p *Policies) PutPolicy(account, container, ifMatch, by string, days *int, appendWrites, appendWritesAll bool) (Policy, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, err := p.find(account, container)
	if err != nil {
		return Policy{}, err
	}
	if err := c.matches(ifMatch, false); err != nil {
		return Policy{}, err
	}
	next := Policy{}
	if c.Policy != nil {
		next = c.copy().policy()
	}
	switch {
	case next.Locked:
		return Policy{}, locked("changed; it can only be extended")
	case days == nil && c.Policy == nil:
		return Policy{}, &Refusal{400, "InvalidRequestPropertyValue", "immutabilityPeriodSinceCreationInDays is required."}
	case appendWrites && appendWritesAll:
		return Policy{}, &Refusal{400, "InvalidRequestPropertyValue",
			"allowProtectedAppendWrites and allowProtectedAppendWritesAll are mutually exclusive."}
	}
	if days != nil {
		next.Days = *days
	}
	if err := inRange(next.Days); err != nil {
		return Policy{}, err
	}
	next.AppendWrites, next.AppendWritesAll = appendWrites, appendWritesAll
	c.Policy = &next
	p.record(c, "put", by)
	return c.copy().policy(), nil
}

// LockPolicy makes a policy permanent. The ETag is mandatory.
func (p *Policies) LockPolicy(account, container, ifMatch, by string) (Policy, error) {
	return p.change(account, container, ifMatch, func(c *Container) error {
		if c.Policy.Locked {
			return locked("locked again")
		}
		c.Policy.Locked = true
		p.record(c, "lock", by)
		return nil
	})
}

// ExtendPolicy raises the period of a locked policy: the only change left to it, five times at most.
func (p *Policies) ExtendPolicy(account, container, ifMatch, by string, days int) (Policy, error) {
	return p.change(account, container, ifMatch, func(c *Container) error {
		switch {
		case !c.Policy.Locked:
			return &Refusal{409, "ContainerImmutabilityPolicyNotLocked", "Only a locked policy can be extended; change an unlocked one by a put."}
		case days <= c.Policy.Days:
			return locked(fmt.Sprintf("shortened from %d to %d days", c.Policy.Days, days))
		case c.Policy.Extensions == maxExtensions:
			return locked("extended more than five times")
		}
		if err := inRange(days); err != nil {
			return err
		}
		c.Policy.Days = days
		c.Policy.Extensions++
		p.record(c, "extend", by)
		return nil
	})
}

// DeletePolicy removes an unlocked policy and returns what it was, with a new ETag.
func (p *Policies) DeletePolicy(account, container, ifMatch string) (Policy, error) {
	return p.change(account, container, ifMatch, func(c *Container) error {
		if c.Policy.Locked {
			return locked("deleted")
		}
		c.Policy = nil
		p.touch(c)
		return nil
	})
}

// SetHold adds legal hold tags, at most ten in all.
func (p *Policies) SetHold(account, container, by string, tags []string, appendWritesAll bool) (Container, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, err := p.find(account, container)
	if err != nil {
		return Container{}, err
	}
	if c.Kind == VersionLevel {
		return Container{}, &Refusal{409, "LegalHoldNotSupportedOnContainer",
			"A container with version-level immutability has legal holds on its versions only."}
	}
	next := slices.Clone(c.Holds)
	for _, tag := range tags {
		tag = strings.ToLower(tag)
		if !holdTag.MatchString(tag) {
			return Container{}, &Refusal{400, "InvalidRequestPropertyValue", "A legal hold tag has 3 to 23 letters and digits."}
		}
		if !slices.ContainsFunc(next, func(h Hold) bool { return h.Tag == tag }) {
			next = append(next, Hold{tag, p.clock.Now(), by})
		}
	}
	if len(next) > maxHolds {
		return Container{}, &Refusal{409, "LegalHoldTagLimitExceeded", "A container has at most ten legal hold tags."}
	}
	c.Holds, c.HoldAppendWritesAll = next, appendWritesAll
	p.touch(c)
	return c.copy(), nil
}

// ClearHold removes the named tags only.
func (p *Policies) ClearHold(account, container string, tags []string) (Container, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, err := p.find(account, container)
	if err != nil {
		return Container{}, err
	}
	c.Holds = slices.DeleteFunc(c.Holds, func(h Hold) bool {
		return slices.ContainsFunc(tags, func(tag string) bool { return strings.EqualFold(tag, h.Tag) })
	})
	p.touch(c)
	return c.copy(), nil
}

// change does f to a policy that exists and whose ETag is the given one.
func (p *Policies) change(account, container, ifMatch string, f func(*Container) error) (Policy, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, err := p.find(account, container)
	if err != nil {
		return Policy{}, err
	}
	if c.Policy == nil {
		return Policy{}, &Refusal{404, "ImmutabilityPolicyNotFound", "The container has no immutability policy."}
	}
	if err := c.matches(ifMatch, true); err != nil {
		return Policy{}, err
	}
	if err := f(c); err != nil {
		return Policy{}, err
	}
	return c.copy().policy(), nil
}

func (c Container) policy() Policy {
	if c.Policy == nil {
		return Policy{Etag: c.Etag}
	}
	return *c.Policy
}

func (c *Container) matches(ifMatch string, required bool) error {
	switch {
	case ifMatch == "" && required:
		return &Refusal{400, "MissingRequiredHeader", "If-Match must hold the ETag of the policy."}
	case ifMatch == "" || ifMatch == "*" && c.Policy != nil:
		return nil
	case c.Policy == nil || ifMatch != c.Policy.Etag:
		return WrongETag()
	}
	return nil
}

// WrongETag is the answer to an If-Match that is not the policy's, as it was seen from the real one.
func WrongETag() *Refusal {
	return &Refusal{412, "ContainerImmutabilityPolicyFailure", "Operation not allowed on immutability policy with incorrect etag."}
}

func inRange(days int) error {
	if days < 1 || days > maxDays {
		return &Refusal{400, "InvalidRequestPropertyValue", fmt.Sprintf("The period must be 1 to %d days, not %d.", maxDays, days)}
	}
	return nil
}

func locked(what string) error {
	return &Refusal{409, "ContainerImmutabilityPolicyLocked", "The container's immutability policy is locked and cannot be " + what + "."}
}
