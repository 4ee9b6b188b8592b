package azuresql_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/internal/bacvault"
)

var off = bacvault.Retention{Days: 7, DiffHours: 12, Weekly: "PT0S", Monthly: "PT0S", Yearly: "PT0S"}

func TestRetention(t *testing.T) {
	kept := bacvault.Retention{Days: 14, DiffHours: 24, Weekly: "P10W", Monthly: "PT0S", Yearly: "P7Y", WeekOfYear: 20}
	for name, c := range map[string]struct {
		short, long, immut map[string]any
		script             map[string][]string
		want               bacvault.Retention
		immutable          bool
		code               bacvault.Code
		class              bacvault.Class
		says               string
	}{
		"as made": {want: off},
		"kept": {short: map[string]any{"retentionDays": 14, "diffBackupIntervalInHours": 24}, want: kept,
			long: map[string]any{"weeklyRetention": "P10W", "monthlyRetention": "P0M", "yearlyRetention": "P7Y", "weekOfYear": 20}},
		"off in other words": {long: map[string]any{"weeklyRetention": "P0W", "monthlyRetention": "", "weekOfYear": 1}, want: off},
		"null":               {long: map[string]any{"weeklyRetention": nil, "monthlyRetention": nil, "yearlyRetention": nil, "weekOfYear": nil}, want: off},
		"no differential backups": {short: map[string]any{"retentionDays": 7},
			want: bacvault.Retention{Days: 7, Weekly: "PT0S", Monthly: "PT0S", Yearly: "PT0S"}},
		"immutable, locked":   {immut: map[string]any{"timeBasedImmutability": "Enabled", "timeBasedImmutabilityMode": "Locked"}, want: off, immutable: true},
		"immutable, unlocked": {immut: map[string]any{"timeBasedImmutability": "Enabled", "timeBasedImmutabilityMode": "Unlocked"}, want: off, immutable: true},
		"not immutable":       {immut: map[string]any{"timeBasedImmutability": "Disabled", "timeBasedImmutabilityMode": "Locked"}, want: off},
		"only a lock":         {immut: map[string]any{"timeBasedImmutabilityMode": "Locked"}, want: off, immutable: true},
		"nobody knows":        {immut: map[string]any{"timeBasedImmutability": "Perhaps"}, code: bacvault.CodeSQLRefused, class: bacvault.Terminal, says: "Perhaps"},
		"reads pass":          {script: map[string][]string{"GET short": {"!503 X", "ok"}, "GET long": {"lost", "ok"}, "GET immutability": {"!500 X", "lost", "ok"}}, want: off},
		"no days":             {short: map[string]any{}, code: bacvault.CodeSQLRefused, class: bacvault.Terminal},
		"may not read the short one": {script: map[string][]string{"GET short": {"!403 AuthorizationFailed"}},
			code: bacvault.CodeSQLDenied, class: bacvault.Terminal, says: "Grant the identity Microsoft.Sql/servers/databases/backupShortTermRetentionPolicies/read"},
		"may not read the long one": {script: map[string][]string{"GET long": {"!403 AuthorizationFailed"}},
			code: bacvault.CodeSQLDenied, class: bacvault.Terminal, says: "Grant the identity Microsoft.Sql/servers/databases/backupLongTermRetentionPolicies/read"},
		"may not read immutability": {script: map[string][]string{"GET immutability": {"!403 AuthorizationFailed"}},
			code: bacvault.CodeSQLDenied, class: bacvault.Terminal, says: "backupLongTermRetentionPolicies/read"},
		"immutability has no answer":      {script: map[string][]string{"GET immutability": {"lost"}}, code: bacvault.CodeSQLUnreachable, class: bacvault.Retry},
		"immutability is no such version": {script: map[string][]string{"GET immutability": {"!400 NoRegisteredProviderFound"}}, code: bacvault.CodeSQLRefused, class: bacvault.Retry},
		"no long-term retention":          {script: map[string][]string{"GET long": {"!400 LongTermRetentionPolicyNotSupported"}}, code: bacvault.CodeSQLRefused, class: bacvault.Terminal, says: "LongTermRetentionPolicyNotSupported"},
		"no database":                     {script: map[string][]string{"GET short": {"!404 ResourceNotFound"}}, code: bacvault.CodeSQLNotFound, class: bacvault.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPolicies()
			p.immut, p.script = c.immut, c.script
			if c.short != nil {
				p.stored["short"] = c.short
			}
			if c.long != nil {
				p.stored["long"] = c.long
			}
			got, immutable, err := p.management(t, time.Millisecond, nil).Retention(t.Context(), "a]b'c")
			if c.code != "" {
				if f := wantFailure(t, err, c.code, c.class); !strings.Contains(f.Detail+f.Next, c.says) || strings.Contains(f.Detail, "\n") {
					t.Errorf("does not say %q on one line: %s; %s", c.says, f.Detail, f.Next)
				}
				return
			}
			if err != nil || got != c.want || immutable != c.immutable {
				t.Errorf("%+v, %t, %v; want %+v, %t", got, immutable, err, c.want, c.immutable)
			}
		})
	}
	t.Run("no token", func(t *testing.T) {
		p := newPolicies()
		_, _, err := p.management(t, time.Millisecond, errors.New("identity not found")).Retention(t.Context(), "a]b'c")
		wantFailure(t, err, bacvault.CodeSQLDenied, bacvault.Retry)
	})
	t.Run("a system database", func(t *testing.T) {
		_, _, err := newPolicies().management(t, time.Millisecond, nil).Retention(t.Context(), "master")
		wantFailure(t, err, bacvault.CodeRequestMalformed, bacvault.Rejected)
	})
}

const (
	putShort = `short {"properties":{"diffBackupIntervalInHours":24,"retentionDays":35}}`
	putLong  = `long {"properties":{"monthlyRetention":"P12M","weekOfYear":1,"weeklyRetention":"P4W","yearlyRetention":"PT0S"}}`
)

func TestSetRetention(t *testing.T) {
	wanted := bacvault.Retention{Days: 35, DiffHours: 24, Weekly: "P4W", Monthly: "P12M"}
	for name, c := range map[string]struct {
		want   bacvault.Retention // wanted where empty
		script map[string][]string
		immut  map[string]any
		puts   []string
		code   bacvault.Code
		class  bacvault.Class
		says   string
	}{
		"both":                       {puts: []string{putShort, putLong}},
		"done at once":               {script: map[string][]string{"PUT short": {"now"}, "PUT long": {"now"}}, puts: []string{putShort, putLong}},
		"equal already":              {want: bacvault.Retention{Days: 7, DiffHours: 12, Weekly: "P0W", Yearly: "PT0S", WeekOfYear: 30}},
		"hours are left":             {want: bacvault.Retention{Days: 7}},
		"hours not sent":             {want: bacvault.Retention{Days: 9}, puts: []string{`short {"properties":{"retentionDays":9}}`}},
		"only the long":              {want: bacvault.Retention{Days: 7, DiffHours: 12, Yearly: "P7Y", WeekOfYear: 20}, puts: []string{`long {"properties":{"monthlyRetention":"PT0S","weekOfYear":20,"weeklyRetention":"PT0S","yearlyRetention":"P7Y"}}`}},
		"lost, both taken":           {script: map[string][]string{"PUT short": {"taken, lost"}, "PUT long": {"taken, lost"}}, puts: []string{putShort, putLong}},
		"lost, not taken":            {script: map[string][]string{"PUT short": {"lost", "ok"}, "PUT long": {"!503 X", "ok"}}, puts: []string{putShort, putShort, putLong, putLong}},
		"busy":                       {script: map[string][]string{"PUT short": {"!409 ConflictingDatabaseOperation", "!429 X", "ok"}}, puts: []string{putShort, putShort, putShort, putLong}},
		"operation breaks, then not": {script: map[string][]string{"PUT long": {"failed OperationTimedOut", "ok"}}, puts: []string{putShort, putLong, putLong}},
		"operation may not be read":  {script: map[string][]string{"GET operation": {"!403 AuthorizationFailed"}}, puts: []string{putShort, putLong}},
		"operation never ends":       {script: map[string][]string{"GET operation": {"running"}}, puts: []string{putShort, putLong}},
		"operation does not answer":  {script: map[string][]string{"GET operation": {"lost"}}, puts: []string{putShort, putLong}},
		"lost each time":             {script: map[string][]string{"PUT short": {"lost"}}, puts: []string{putShort, putShort, putShort, putShort, putShort}, code: bacvault.CodeSQLUnreachable, class: bacvault.Retry},
		"ignored each time": {script: map[string][]string{"PUT short": {"ignored"}}, puts: []string{putShort, putShort, putShort, putShort, putShort},
			code: bacvault.CodePromoteFailed, class: bacvault.Retry, says: "the database shows 7 days"},
		"operation fails each time": {script: map[string][]string{"PUT short": {"failed Peculiar"}}, puts: []string{putShort, putShort, putShort, putShort, putShort},
			code: bacvault.CodePromoteFailed, class: bacvault.Retry, says: "the operation ended with Peculiar: it broke"},
		"operation fails for good": {script: map[string][]string{"PUT long": {"failed LongTermRetentionPolicyNotSupported"}}, puts: []string{putShort, putLong},
			code: bacvault.CodeSQLRefused, class: bacvault.Terminal, says: "it broke"},
		"may not write the short one": {script: map[string][]string{"PUT short": {"!403 AuthorizationFailed"}}, puts: []string{putShort},
			code: bacvault.CodeSQLDenied, class: bacvault.Terminal, says: "Grant the identity Microsoft.Sql/servers/databases/backupShortTermRetentionPolicies/write"},
		"may not write the long one": {script: map[string][]string{"PUT long": {"!403 AuthorizationFailed"}}, puts: []string{putShort, putLong},
			code: bacvault.CodeSQLDenied, class: bacvault.Terminal, says: "Grant the identity Microsoft.Sql/servers/databases/backupLongTermRetentionPolicies/write"},
		"days out of range": {script: map[string][]string{"PUT short": {"!400 InvalidBackupRetentionPeriod"}}, puts: []string{putShort}, code: bacvault.CodeSQLRefused, class: bacvault.Terminal},
		"immutable": {immut: map[string]any{"timeBasedImmutability": "Enabled"}, puts: []string{putShort},
			code: bacvault.CodePromoteImmutable, class: bacvault.Refused, says: "not replaced"},
		"immutable and equal": {immut: map[string]any{"timeBasedImmutability": "Enabled"}, want: bacvault.Retention{Days: 35, DiffHours: 24}, puts: []string{putShort}},
		"immutability not told": {script: map[string][]string{"GET immutability": {"!403 AuthorizationFailed"}}, puts: []string{putShort},
			code: bacvault.CodeSQLDenied, class: bacvault.Terminal, says: "backupLongTermRetentionPolicies/read"},
		"not readable after a lost answer": {script: map[string][]string{"GET short": {"ok", "!500 X"}, "PUT short": {"taken, lost"}}, puts: []string{putShort},
			code: bacvault.CodeSQLUnreachable, class: bacvault.Retry},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPolicies()
			p.immut, p.script = c.immut, c.script
			if c.want == (bacvault.Retention{}) {
				c.want = wanted
			}
			m := p.management(t, time.Millisecond, nil)
			err := m.SetRetention(t.Context(), "a]b'c", c.want)
			if diff := cmp.Diff(c.puts, p.bodies); diff != "" {
				t.Error("puts (-want +got):\n" + diff)
			}
			if c.code != "" {
				if f := wantFailure(t, err, c.code, c.class); !strings.Contains(f.Detail+f.Next, c.says) || strings.Contains(f.Detail, "\n") {
					t.Errorf("does not say %q on one line: %s; %s", c.says, f.Detail, f.Next)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			puts := len(p.bodies)
			if err := m.SetRetention(t.Context(), "a]b'c", c.want); err != nil || len(p.bodies) != puts {
				t.Errorf("the second time it put %q, %v", p.bodies[puts:], err)
			}
		})
	}
}

// Another hand changes the first policy while the second is set.
func TestSetRetentionReadsBothAtTheEnd(t *testing.T) {
	p := newPolicies()
	p.calls = func(what string, _ int) {
		if what == "PUT long" {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.stored["short"]["retentionDays"] = 8
		}
	}
	err := p.management(t, time.Millisecond, nil).SetRetention(t.Context(), "a]b'c", bacvault.Retention{Days: 7, DiffHours: 12, Weekly: "P4W"})
	if f := wantFailure(t, err, bacvault.CodePromoteFailed, bacvault.Retry); !strings.Contains(f.Detail, "now the database shows 8 days") {
		t.Error(f.Detail)
	}
}

// The right to read operations is another than that to write policies: it is asked for once, and then the policy is read.
func TestSetRetentionDoesNotInsistOnOperations(t *testing.T) {
	p := newPolicies()
	p.script["GET operation"] = []string{"!403 AuthorizationFailed"}
	if err := p.management(t, time.Millisecond, nil).SetRetention(t.Context(), "a]b'c", bacvault.Retention{Days: 35}); err != nil {
		t.Error(err)
	}
	if p.n["GET operation"] != 1 {
		t.Errorf("asked %d times", p.n["GET operation"])
	}
}

// An operation that never ends is given up.
func TestSetRetentionIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolicies()
		p.script["PUT short"], p.script["GET operation"] = []string{"ignored"}, []string{"running"}
		begun := time.Now()
		err := p.management(t, 5*time.Second, nil).SetRetention(t.Context(), "a]b'c", bacvault.Retention{Days: 35})
		if f := wantFailure(t, err, bacvault.CodePromoteFailed, bacvault.Retry); !strings.Contains(f.Detail, "not done within") {
			t.Error(f.Detail)
		}
		if took := time.Since(begun); took > 11*time.Minute || len(p.bodies) != 1 {
			t.Errorf("took %s and %d puts", took, len(p.bodies))
		}
	})
}

func TestCancelledSetRetention(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	p := newPolicies()
	p.script["PUT short"] = []string{"ignored"}
	p.calls = func(what string, n int) {
		if what == "GET operation" {
			cancel(errors.New("lease lost"))
		}
	}
	err := p.management(t, time.Millisecond, nil).SetRetention(ctx, "a]b'c", bacvault.Retention{Days: 35})
	if err == nil || !strings.Contains(err.Error(), "lease lost") || errors.As(err, new(*bacvault.Failure)) {
		t.Errorf("error is %v", err)
	}
}
