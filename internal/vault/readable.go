package vault

import "context"

// Readable is Head of a blob that is about to be fetched: false where there is none, and an archived one is refused in the
// words of Fetch, before anything is made ready for it.
func (v *Vault) Readable(ctx context.Context, name string) (Stored, bool, error) {
	st, found, err := v.Head(ctx, name)
	if err == nil && found && st.Archived {
		return st, true, v.archived("fetch", name)
	}
	return st, found, err
}
