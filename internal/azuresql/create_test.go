package azuresql_test

import (
	"database/sql/driver"
	"testing"

	"github.com/bacvault/bacvault/internal/azuresql"
	"github.com/bacvault/bacvault/internal/bacvault"
)

func TestMayCreateIsWhatTheServerSays(t *testing.T) {
	one, zero := int64(1), int64(0)
	for name, c := range map[string]struct {
		row  []driver.Value
		want azuresql.CreateRight
		may  bool
	}{
		"a member of dbmanager": {[]driver.Value{one, zero}, azuresql.CreateRight{Member: true, Known: true}, true},
		"an administrator":      {[]driver.Value{zero, one}, azuresql.CreateRight{Admin: true, Known: true}, true},
		"neither":               {[]driver.Value{zero, zero}, azuresql.CreateRight{Known: true}, false},
		// IS_ROLEMEMBER is not supported for an administrator by a group.
		"an administrator by a group": {[]driver.Value{nil, one}, azuresql.CreateRight{Admin: true, Known: true}, true},
		"no answer":                   {[]driver.Value{nil, zero}, azuresql.CreateRight{}, false},
		"no answer at all":            {[]driver.Value{nil, nil}, azuresql.CreateRight{}, false},
	} {
		f := script(map[string]rows{"dbmanager": {data: [][]driver.Value{c.row}}})
		got, err := server(t, f).MayCreate(t.Context())
		if err != nil || got != c.want || got.May() != c.may {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if said := f.said("dbmanager"); len(said) != 1 || said[0][:8] != "master: " {
			t.Errorf("%s: asked %v", name, said)
		}
	}
	f := script(map[string]rows{})
	if _, err := server(t, f).MayCreate(t.Context()); err == nil || bacvault.AsFailure(err, "").Detail == "" {
		t.Errorf("a server that does not know the statement: %v", err)
	}
}
