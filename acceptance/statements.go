package main

import (
	"maps"
	"slices"
	"sync"

	"github.com/bacvault/bacvault/internal/azuresql"
)

// The outcomes of a statement.
const (
	outcomeRan     = "ran"
	outcomeRefused = "refused"
	outcomeNotRun  = "NOT RUN"
)

// statements hears what was sent.
type statements struct {
	mu sync.Mutex
	of map[string]*Sent
}

func (s *statements) hear(constant string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[string]*Sent{}
	}
	c := s.of[constant]
	if c == nil {
		c = &Sent{Constant: constant}
		s.of[constant] = c
	}
	c.Times++
	if err != nil {
		c.Refused++
		c.Error = err.Error()
	}
}

// list is every constant of the product, sent or not, and what was sent beside them.
func (s *statements) list() (out []Sent, unknown []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := azuresql.Constants()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		c := Sent{Constant: name, Outcome: outcomeNotRun}
		if heard := s.of[name]; heard != nil {
			c = *heard
			c.Outcome = outcomeRan
			if c.Refused == c.Times {
				c.Outcome = outcomeRefused
			}
		}
		out = append(out, c)
	}
	for _, text := range slices.Sorted(maps.Keys(s.of)) {
		if _, known := all[text]; !known {
			unknown = append(unknown, text)
		}
	}
	return out, unknown
}
