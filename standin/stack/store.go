package stack

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/bacvault/bacvault/standin/azurite"
	"github.com/bacvault/bacvault/standin/roles"
)

// Store is Azurite with the accounts that stacks take their own from, so that many stacks share one start of Node.
type Store struct {
	process *azurite.Process
	keys    map[string]string

	mu    sync.Mutex
	free  []roles.Places
	taken int
}

// StartStore runs Azurite with the accounts of n stacks. dir holds node_modules.
func StartStore(ctx context.Context, dir string, n int, log func(string, ...any)) (*Store, error) {
	s := &Store{keys: map[string]string{}}
	for i := range n {
		p := roles.DefaultPlaces()
		p.VaultAccount, p.StateAccount = fmt.Sprintf("%s%d", p.VaultAccount, i), fmt.Sprintf("%s%d", p.StateAccount, i)
		for _, name := range []string{p.VaultAccount, p.StateAccount} {
			key, err := azurite.NewKey()
			if err != nil {
				return nil, err
			}
			s.keys[name] = key
		}
		s.free = append(s.free, p)
	}
	var err error
	if s.process, err = azurite.Start(ctx, azurite.Config{Dir: dir, Accounts: s.keys, Log: log}); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends Azurite.
func (s *Store) Close() error { return s.process.Close() }

func (s *Store) take() (roles.Places, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken == len(s.free) {
		return roles.Places{}, errors.New("the store has no account left for another stack")
	}
	s.taken++
	return s.free[s.taken-1], nil
}
