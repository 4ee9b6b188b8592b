package state

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/bacvault/bacvault/internal/bacvault"
)

func noteName(key string) string { return "notes/" + strings.Trim(key, "/") + ".json" }

// PutNote keeps a document under a key, over what was there before. The caller holds the lease that guards it.
func (s *State) PutNote(ctx context.Context, key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode note %s: %w", key, err)
	}
	return s.write(ctx, noteName(key), b)
}

// Note reads a document that PutNote kept: false if there is none.
func (s *State) Note(ctx context.Context, key string, v any) (bool, error) {
	o, ok, err := s.get(ctx, noteName(key))
	if err != nil || !ok {
		return false, err
	}
	if err := bacvault.DecodeStrict(o.data, v); err != nil {
		return false, fmt.Errorf("note %s: %w", key, err)
	}
	return true, nil
}
