package blob

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bacvault/bacvault/standin/clock"
)

// Kind is which WORM support a container has.
type Kind int

const (
	// ContainerLevel is the support that every container has: one policy and one set of legal holds for all its blobs.
	ContainerLevel Kind = iota
	// VersionLevel is a container with version-level immutability enabled; its policy is the default for new versions.
	VersionLevel
)

// Update is one entry of a policy's history.
type Update struct {
	Kind string // put, lock or extend
	Days int
	At   time.Time
	By   string
}

// Policy is a time-based retention policy of a container.
type Policy struct {
	Days            int
	Locked          bool
	AppendWrites    bool // append blobs may grow
	AppendWritesAll bool // append and block blobs may grow
	Etag            string
	Extensions      int
	History         []Update
}

// Hold is one legal hold tag.
type Hold struct {
	Tag string
	At  time.Time
	By  string
}

// Container is what protects a container's blobs.
type Container struct {
	Kind                Kind
	Policy              *Policy
	Holds               []Hold
	HoldAppendWritesAll bool
	Etag                string
	Changed             time.Time
}

// Refusal is an answer of the service that says no. Codes that Microsoft does not document are marked in the README.
type Refusal struct {
	Status        int
	Code, Message string
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Message }

// Policies is the state that both planes of Azure share: which containers exist, and what protects each. The gateway obeys
// it; the management plane shows and changes it.
type Policies struct {
	clock *clock.Clock

	mu         sync.Mutex
	containers map[string]*Container // by "account/container"
}

// NewPolicies has no container yet. A nil clock is the machine's time.
func NewPolicies(c *clock.Clock) *Policies {
	if c == nil {
		c = &clock.Clock{}
	}
	return &Policies{clock: c, containers: map[string]*Container{}}
}

// Get is a container's state now.
func (p *Policies) Get(account, container string) (Container, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.containers[account+"/"+container]
	if !ok {
		return Container{}, false
	}
	return c.copy(), true
}

// List names an account's containers in order.
func (p *Policies) List(account string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, key := range slices.Sorted(maps.Keys(p.containers)) {
		if name, ok := strings.CutPrefix(key, account+"/"); ok {
			out = append(out, name)
		}
	}
	return out
}

// Protect is the back door of tests and stacks: it sets a container's policy as if an administrator had made it, and as if
// time had not passed since. It replaces whatever was there, a locked policy too.
func (p *Policies) Protect(account, container string, days int, locked bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, err := p.find(account, container)
	if err != nil {
		return err
	}
	c.Policy = &Policy{Days: days, Locked: locked}
	p.record(c, "put", "back door")
	if locked {
		p.record(c, "lock", "back door")
	}
	return nil
}

// Clear is the back door's opposite of Protect: no policy and no legal hold.
func (p *Policies) Clear(account, container string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, err := p.find(account, container)
	if err != nil {
		return err
	}
	c.Policy, c.Holds, c.HoldAppendWritesAll = nil, nil, false
	p.touch(c)
	return nil
}

// Add makes a container known, with nothing that protects it. The gateway does it for every container that it creates.
func (p *Policies) Add(account, container string, kind Kind) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &Container{Kind: kind}
	p.touch(c)
	p.containers[account+"/"+container] = c
}

// Remove forgets a container.
func (p *Policies) Remove(account, container string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.containers, account+"/"+container)
}

func (p *Policies) find(account, container string) (*Container, error) {
	c, ok := p.containers[account+"/"+container]
	if !ok {
		return nil, &Refusal{404, "ContainerNotFound", "The specified container does not exist."}
	}
	return c, nil
}

// record notes a change of the policy. Azure keeps up to seven entries for the life of a policy: its last put, its lock and
// at most five extensions.
func (p *Policies) record(c *Container, kind, by string) {
	c.Policy.Etag = etag()
	c.Policy.History = append(c.Policy.History, Update{kind, c.Policy.Days, p.clock.Now(), by})
	if extra := len(c.Policy.History) - 7; extra > 0 {
		c.Policy.History = slices.Delete(c.Policy.History, 0, extra)
	}
	p.touch(c)
}

func (p *Policies) touch(c *Container) {
	c.Etag, c.Changed = etag(), p.clock.Now()
}

func (c *Container) copy() Container {
	out := *c
	out.Holds = slices.Clone(c.Holds)
	if c.Policy != nil {
		policy := *c.Policy
		policy.History = slices.Clone(policy.History)
		out.Policy = &policy
	}
	return out
}

// etag is the service's form: quotes are part of it, and LockImmutabilityPolicy wants them back.
func etag() string {
	b := make([]byte, 8)
	// crypto/rand does not return errors.
	_, _ = rand.Read(b)
	return fmt.Sprintf("\"0x%s\"", strings.ToUpper(hex.EncodeToString(b)))
}
