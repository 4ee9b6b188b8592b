package azuresql_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/internal/azuresql"
	"github.com/bacvault/bacvault/internal/bacvault"
)

const gib = 1 << 30

func TestSize(t *testing.T) {
	f := &fake{answer: func(_ context.Context, db, _ string, n int) (rows, error) {
		if db == "empty" {
			return rows{data: [][]driver.Value{{nil, nil, nil}}}, nil
		}
		if n == 1 {
			return rows{}, sqlError(40613)
		}
		return rows{data: [][]driver.Value{{"Standard", "S3", int64(250 * gib)}}}, nil
	}}
	s := server(t, f)
	if got, err := s.Size(t.Context(), "Orders"); err != nil || got != (azuresql.Size{Edition: "Standard", Objective: "S3", MaxSizeBytes: 250 * gib}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := s.Size(t.Context(), "empty"); err != nil || got != (azuresql.Size{}) {
		t.Errorf("%v, %v", got, err)
	}
	_, err := s.Size(t.Context(), "")
	wantFailure(t, err, bacvault.CodeRequestMalformed, bacvault.Rejected)
}

// sized is a database whose size changes some looks after the statement.
type sized struct {
	mu      sync.Mutex
	now, to azuresql.Size
	looks   int // until it shows; negative is never
	begun   bool
	faults  map[int]error // by look, counted from the statement
	n       int
}

func (z *sized) look() (rows, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.begun {
		z.n++
		if z.looks >= 0 && z.n > z.looks {
			z.now = z.to
		}
		if err := z.faults[z.n]; err != nil {
			return rows{}, err
		}
	}
	return rows{data: [][]driver.Value{{z.now.Edition, z.now.Objective, z.now.MaxSizeBytes}}}, nil
}

func (z *sized) fake(answers ...answered) *fake {
	return &fake{answer: func(_ context.Context, db, stmt string, sent int) (rows, error) {
		switch {
		case db == "a]b'c" && strings.Contains(stmt, "ServiceObjective"):
			return z.look()
		case db == "master" && strings.Contains(stmt, "sys.databases"):
			return inState("ONLINE"), nil
		case db != "master" || !strings.HasPrefix(stmt, "ALTER DATABASE"):
			return rows{}, fmt.Errorf("no answer to %q in %s", stmt, db)
		}
		a := answered{does: true}
		if sent <= len(answers) {
			a = answers[sent-1]
		}
		if a.does {
			z.mu.Lock()
			z.begun = true
			z.mu.Unlock()
		}
		return rows{}, a.err
	}}
}

func TestScale(t *testing.T) {
	small, big := azuresql.Size{Edition: "Standard", Objective: "S0", MaxSizeBytes: 250 * gib}, azuresql.Size{Edition: "GeneralPurpose", Objective: "GP_Gen5_2", MaxSizeBytes: 32 * gib}
	for name, c := range map[string]struct {
		now     azuresql.Size // small where empty
		want    azuresql.Size // big where empty
		looks   int
		faults  map[int]error
		answers []answered
		wait    time.Duration
		code    bacvault.Code
		class   bacvault.Class
		sent    int
		says    string
	}{
		"plain":                    {looks: 3, sent: 1},
		"equal already":            {now: big},
		"equal but for the case":   {now: azuresql.Size{Edition: "generalpurpose", Objective: "gp_gen5_2", MaxSizeBytes: 32 * gib}},
		"only the maximum differs": {now: azuresql.Size{Edition: "GeneralPurpose", Objective: "GP_Gen5_2", MaxSizeBytes: 64 * gib}, sent: 1},
		"connections cut":          {looks: 3, faults: map[int]error{1: io.EOF, 2: sqlError(40613), 3: sqlError(4060, 18456)}, sent: 1},
		"database closed for long": {looks: 12, faults: map[int]error{1: sqlError(4060, 18456), 2: sqlError(4060, 18456), 3: sqlError(4060, 18456), 4: sqlError(40613), 5: sqlError(40613), 6: sqlError(40613), 7: sqlError(40613), 8: sqlError(40613)}, sent: 1},
		"answer lost, taken":       {looks: 3, answers: []answered{{true, io.EOF}}, sent: 1},
		"answer lost, not taken":   {answers: []answered{{false, io.EOF}}, sent: 2},
		"no answer in time":        {looks: 4, answers: []answered{{true, context.DeadlineExceeded}}, sent: 1},
		"throttled":                {answers: []answered{{false, sqlError(49918)}, {false, sqlError(40501)}}, sent: 3},
		"under way already":        {looks: 3, answers: []answered{{true, sqlError(40802)}}, sent: 1},
		"another change is under way": {answers: []answered{{false, sqlError(40802)}, {false, sqlError(40802)}, {false, sqlError(40802)}, {false, sqlError(40802)}, {false, sqlError(40802)}},
			sent: 6},
		"taken out of a pool": {now: azuresql.Size{Edition: "Standard", Objective: "ElasticPool", MaxSizeBytes: 250 * gib}, sent: 1},
		"never":               {looks: -1, wait: 80 * time.Millisecond, code: bacvault.CodePromoteFailed, class: bacvault.Retry, sent: 1, says: "last seen Standard S0, at most 256000 MiB"},
		"never readable": {looks: -1, wait: 150 * time.Millisecond, answers: []answered{{true, nil}}, faults: always(sqlError(40613)),
			code: bacvault.CodePromoteFailed, class: bacvault.Retry, sent: 1, says: "then not readable"},
		"lost each time": {answers: []answered{{false, io.EOF}, {false, io.EOF}, {false, io.EOF}, {false, io.EOF}},
			code: bacvault.CodeSQLUnreachable, class: bacvault.Retry, sent: 4},
		"no permission":       {answers: []answered{{false, sqlError(262)}}, code: bacvault.CodeSQLDenied, class: bacvault.Terminal, sent: 1, says: "262"},
		"no such objective":   {answers: []answered{{false, sqlError(40804)}}, code: bacvault.CodeSQLRefused, class: bacvault.Terminal, sent: 1},
		"looks are refused":   {looks: -1, faults: map[int]error{2: sqlError(916)}, code: bacvault.CodeSQLDenied, class: bacvault.Terminal, sent: 1},
		"in a pool and equal": {now: azuresql.Size{Edition: "Standard", Objective: "ElasticPool", MaxSizeBytes: gib}, want: azuresql.Size{Edition: "Standard", Objective: "ElasticPool", MaxSizeBytes: gib}},
		"into a pool": {want: azuresql.Size{Edition: "Standard", Objective: "ElasticPool", MaxSizeBytes: 250 * gib},
			code: bacvault.CodeSQLRefused, class: bacvault.Terminal, says: "put it into the pool by hand"},
		"objective that breaks out": {want: azuresql.Size{Edition: "Standard", Objective: "S3')--", MaxSizeBytes: gib}, code: bacvault.CodeSQLRefused, class: bacvault.Terminal},
		"edition that breaks out":   {want: azuresql.Size{Edition: "St'", Objective: "S3", MaxSizeBytes: gib}, code: bacvault.CodeSQLRefused, class: bacvault.Terminal},
		"no maximum":                {want: azuresql.Size{Edition: "Hyperscale", Objective: "HS_Gen5_2", MaxSizeBytes: -1}, code: bacvault.CodeSQLRefused, class: bacvault.Terminal, says: "by hand"},
		"maximum of odd bytes":      {want: azuresql.Size{Edition: "Standard", Objective: "S3", MaxSizeBytes: gib + 1}, code: bacvault.CodeSQLRefused, class: bacvault.Terminal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.now == (azuresql.Size{}) {
				c.now = small
			}
			if c.want == (azuresql.Size{}) {
				c.want = big
			}
			if c.wait == 0 {
				c.wait = 20 * time.Second
			}
			z := &sized{now: c.now, to: c.want, looks: c.looks, faults: c.faults}
			f := z.fake(c.answers...)
			err := server(t, f).Scale(t.Context(), "a]b'c", c.want, c.wait)
			if got := f.said("ALTER"); len(got) != c.sent {
				t.Errorf("sent %q, want %d times", got, c.sent)
			}
			if c.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if fail := wantFailure(t, err, c.code, c.class); !strings.Contains(fail.Detail, c.says) {
				t.Errorf("does not say %q: %s", c.says, fail.Detail)
			}
		})
	}
}

func always(err error) map[int]error {
	m := map[int]error{}
	for n := range 100000 {
		m[n] = err
	}
	return m
}

func TestScaleStatement(t *testing.T) {
	for name, c := range map[string]struct {
		bytes int64
		want  string
	}{
		"whole GB": {250 * gib, "250 GB"},
		"2 GB":     {2 * gib, "2 GB"},
		"whole MB": {500 << 20, "500 MB"},
	} {
		t.Run(name, func(t *testing.T) {
			z := &sized{to: azuresql.Size{Edition: "Basic", Objective: "Basic", MaxSizeBytes: c.bytes}}
			f := z.fake()
			if err := server(t, f).Scale(t.Context(), "a]b'c", z.to, time.Minute); err != nil {
				t.Fatal(err)
			}
			want := []string{"master: ALTER DATABASE [a]]b'c] MODIFY (EDITION = 'Basic', SERVICE_OBJECTIVE = 'Basic', MAXSIZE = " + c.want + ");"}
			if diff := cmp.Diff(want, f.said("ALTER")); diff != "" {
				t.Error("(-want +got):\n" + diff)
			}
		})
	}
}

// A cancelled run is no timeout of the change.
func TestCancelledScale(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	z := &sized{looks: -1, to: azuresql.Size{Edition: "Standard", Objective: "S3", MaxSizeBytes: gib}}
	f := z.fake()
	whole := f.answer
	f.answer = func(c context.Context, db, stmt string, sent int) (rows, error) {
		if sent == 4 {
			cancel(errors.New("lease lost"))
		}
		return whole(c, db, stmt, sent)
	}
	err := server(t, f).Scale(ctx, "a]b'c", z.to, time.Minute)
	if err == nil || !strings.Contains(err.Error(), "lease lost") || errors.As(err, new(*bacvault.Failure)) {
		t.Errorf("error is %v", err)
	}
}
