package restore_test

import (
	"strings"
	"testing"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// A backup that was let pass with a table nobody could count is restorable: that table is held against the source.
func TestATableThatTheWalkCannotCountIsHeldAgainstTheSource(t *testing.T) {
	for name, c := range map[string]struct {
		restored bacvault.Rows
		code     bacvault.Code
	}{
		"it has the source's rows":  {bacvault.Rows{tabA: 3, tabB: 0}, ""},
		"it has other rows":         {bacvault.Rows{tabA: 2, tabB: 0}, bacvault.CodeRestoreRows},
		"it is not there at all":    {bacvault.Rows{tabB: 0}, bacvault.CodeRestoreRows},
		"another table lost a row?": {bacvault.Rows{tabA: 3, tabB: 1}, bacvault.CodeRestoreRows},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSide(newWorld(t))
			s.unverified = map[bacvault.Table]string{tabA: "type json"}
			s.restored = c.restored
			res, err := s.restore().Run(t.Context(), s.req)
			if c.code != "" {
				if f := failure(t, err); f.Code != c.code {
					t.Errorf("failure %+v", f)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if a := res.Tables[0]; a.Archive != nil || a.Source == nil || a.Restored == nil || !strings.Contains(strings.Join(res.Findings, " "), "type json") {
				t.Errorf("the result says %+v and %q", a, res.Findings)
			}
		})
	}
}
