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

	"github.com/bacvault/bacvault/internal/bacvault"
)

// names is a server that renames its databases.
type names struct {
	mu      sync.Mutex
	created map[string]time.Time
	late    int // looks until a rename that is under way lands
	pending func()
	renames int // that took effect
}

func (n *names) list() (r rows) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pending != nil {
		if n.late--; n.late < 0 {
			n.pending()
			n.pending = nil
		}
	}
	for name, at := range n.created {
		r.data = append(r.data, []driver.Value{name, "ONLINE", at})
	}
	return r
}

func (n *names) rename(stmt string) error {
	bare := strings.TrimSuffix(strings.TrimPrefix(stmt, "ALTER DATABASE ["), "];")
	from, to, _ := strings.Cut(bare, "] MODIFY NAME = [")
	from, to = strings.ReplaceAll(from, "]]", "]"), strings.ReplaceAll(to, "]]", "]")
	n.mu.Lock()
	defer n.mu.Unlock()
	at, there := n.created[from]
	if !there {
		return sqlError(911)
	}
	if _, taken := n.created[to]; taken {
		return sqlError(1801)
	}
	land := func() {
		delete(n.created, from)
		n.created[to] = at
		n.renames++
	}
	if n.late > 0 {
		n.pending = land
	} else {
		land()
	}
	return nil
}

// answered is what becomes of one statement: whether the server does it, and what it says.
type answered struct {
	does bool
	err  error
}

func (n *names) fake(answers ...answered) *fake {
	return &fake{answer: func(_ context.Context, db, stmt string, sent int) (rows, error) {
		switch {
		case db != "master":
			return rows{}, fmt.Errorf("asked in %s", db)
		case strings.Contains(stmt, "ORDER BY d.name"):
			return n.list(), nil
		case !strings.HasPrefix(stmt, "ALTER DATABASE"):
			return rows{}, fmt.Errorf("no answer to %q", stmt)
		}
		a := answered{does: true}
		if sent <= len(answers) {
			a = answers[sent-1]
		}
		if a.does {
			if err := n.rename(stmt); err != nil {
				return rows{}, err
			}
		}
		return rows{}, a.err
	}}
}

func TestRename(t *testing.T) {
	other := created.Add(time.Hour)
	for name, c := range map[string]struct {
		from, to string // Orders and Orders_old where empty
		there    map[string]time.Time
		answers  []answered
		late     int
		code     bacvault.Code
		class    bacvault.Class
		sent     int
		renamed  int
	}{
		"plain":                      {there: map[string]time.Time{"Orders": created}, sent: 1, renamed: 1},
		"odd names":                  {from: "a]b'c", to: "{name}];--", there: map[string]time.Time{"a]b'c": created}, sent: 1, renamed: 1},
		"done before":                {there: map[string]time.Time{"Orders_old": created}},
		"done, name taken":           {there: map[string]time.Time{"Orders_old": created, "Orders": other}},
		"shown late":                 {there: map[string]time.Time{"Orders": created}, late: 3, sent: 1, renamed: 1},
		"names in the case":          {from: "ORDERS", there: map[string]time.Time{"orders": created, "orders_OLD": other}, code: bacvault.CodeTargetExists, class: bacvault.Refused},
		"target exists":              {there: map[string]time.Time{"Orders": created, "Orders_old": other}, code: bacvault.CodeTargetExists, class: bacvault.Refused},
		"target exists, source gone": {there: map[string]time.Time{"Orders_old": other}, code: bacvault.CodeTargetExists, class: bacvault.Refused},
		"both look the same":         {there: map[string]time.Time{"Orders": created, "Orders_old": created}, code: bacvault.CodeTargetExists, class: bacvault.Refused},
		"another database":           {there: map[string]time.Time{"Orders": other}, code: bacvault.CodePromoteChanged, class: bacvault.Refused},
		"neither name":               {there: map[string]time.Time{"Stock": created}, code: bacvault.CodePromoteChanged, class: bacvault.Refused},
		"answer lost, done":          {there: map[string]time.Time{"Orders": created}, answers: []answered{{true, io.EOF}}, sent: 1, renamed: 1},
		"answer lost, done late": {there: map[string]time.Time{"Orders": created}, late: 2, answers: []answered{{true, io.EOF}},
			sent: 1, renamed: 1},
		"answer lost, not done": {there: map[string]time.Time{"Orders": created}, answers: []answered{{false, io.EOF}}, sent: 2, renamed: 1},
		"no answer in time":     {there: map[string]time.Time{"Orders": created}, answers: []answered{{false, context.DeadlineExceeded}}, sent: 2, renamed: 1},
		"busy, in use, busy":    {there: map[string]time.Time{"Orders": created}, answers: []answered{{false, sqlError(40613)}, {false, sqlError(5030)}, {false, sqlError(40501)}}, sent: 4, renamed: 1},
		"said no, yet did it":   {there: map[string]time.Time{"Orders": created}, answers: []answered{{true, sqlError(40197)}}, sent: 1, renamed: 1},
		"lost each time": {there: map[string]time.Time{"Orders": created}, answers: []answered{{false, io.EOF}, {false, io.EOF}, {false, io.EOF}, {false, io.EOF}},
			code: bacvault.CodeSQLUnreachable, class: bacvault.Retry, sent: 4},
		"no permission": {there: map[string]time.Time{"Orders": created}, answers: []answered{{false, sqlError(262)}}, code: bacvault.CodeSQLDenied, class: bacvault.Terminal, sent: 1},
		"not its owner": {there: map[string]time.Time{"Orders": created}, answers: []answered{{false, sqlError(5011)}}, code: bacvault.CodeSQLDenied, class: bacvault.Terminal, sent: 1},
		"said yes and did nothing": {there: map[string]time.Time{"Orders": created}, answers: []answered{{false, nil}},
			code: bacvault.CodePromoteFailed, class: bacvault.Retry, sent: 1},
		"nobody knows": {there: map[string]time.Time{"Orders": created}, answers: []answered{{false, sqlError(45678)}}, code: bacvault.CodeSQLRefused, class: bacvault.Retry, sent: 1},
		"one name":     {to: "orders", there: map[string]time.Time{"Orders": created}, code: bacvault.CodeRequestMalformed, class: bacvault.Rejected},
		"to a system":  {to: "Master", there: map[string]time.Time{"Orders": created}, code: bacvault.CodeRequestMalformed, class: bacvault.Rejected},
		"from nothing": {from: "\x00", there: map[string]time.Time{"Orders": created}, code: bacvault.CodeRequestMalformed, class: bacvault.Rejected},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, to := "Orders", "Orders_old"
			if c.from != "" {
				from = c.from
			}
			if c.to != "" {
				to = c.to
			}
			n := &names{created: c.there, late: c.late}
			f := n.fake(c.answers...)
			err := server(t, f).Rename(t.Context(), from, to, created)
			if c.code != "" {
				wantFailure(t, err, c.code, c.class)
			} else if err != nil {
				t.Error(err)
			} else if at, there := n.created[to]; !there || !at.Equal(created) {
				t.Errorf("after it there is %v", n.created)
			}
			if got := f.said("ALTER"); len(got) != c.sent || n.renames != c.renamed {
				t.Errorf("sent %q, want %d times; took effect %d times, want %d", got, c.sent, n.renames, c.renamed)
			}
		})
	}
}

func TestRenameStatement(t *testing.T) {
	n := &names{created: map[string]time.Time{"a]b'c": created}}
	f := n.fake()
	if err := server(t, f).Rename(t.Context(), "a]b'c", "{name}]", created); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"master: ALTER DATABASE [a]]b'c] MODIFY NAME = [{name}]]];"}, f.said("ALTER")); diff != "" {
		t.Error("(-want +got):\n" + diff)
	}
}

// Whichever statement breaks, before or after the server did it, the database is renamed once and never twice.
func TestRenameWhereAnyStatementBreaks(t *testing.T) {
	for call := 1; call <= 5; call++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("call %d, after it was done: %t", call, after), func(t *testing.T) {
				t.Parallel()
				n := &names{created: map[string]time.Time{"Orders": created}}
				whole := n.fake().answer
				calls := 0
				f := &fake{answer: func(ctx context.Context, db, stmt string, sent int) (r rows, err error) {
					if calls++; calls != call {
						return whole(ctx, db, stmt, sent)
					}
					if after {
						_, err = whole(ctx, db, stmt, sent)
					}
					return rows{}, errors.Join(err, io.ErrUnexpectedEOF)
				}}
				if err := server(t, f).Rename(t.Context(), "Orders", "Orders_old", created); err != nil {
					t.Error(err)
				}
				if n.renames != 1 {
					t.Errorf("renamed %d times", n.renames)
				}
			})
		}
	}
}

// A look that finds another database after a lost answer stops the rename, and both are told.
func TestRenameStopsWhereTheNamesChange(t *testing.T) {
	n := &names{created: map[string]time.Time{"Orders": created}}
	f := n.fake()
	whole := f.answer
	f.answer = func(ctx context.Context, db, stmt string, sent int) (rows, error) {
		if strings.HasPrefix(stmt, "ALTER") {
			n.created["Orders"] = created.Add(time.Second) // dropped, and another one made
			return rows{}, io.EOF
		}
		return whole(ctx, db, stmt, sent)
	}
	err := server(t, f).Rename(t.Context(), "Orders", "Orders_old", created)
	wantFailure(t, err, bacvault.CodePromoteChanged, bacvault.Refused)
	if !strings.Contains(err.Error(), "EOF") || len(f.said("ALTER")) != 1 {
		t.Errorf("%v after %q", err, f.sent)
	}
}

func TestCancelledRename(t *testing.T) {
	n := &names{created: map[string]time.Time{"Orders": created}}
	ctx, cancel := context.WithCancelCause(t.Context())
	f := n.fake()
	whole := f.answer
	f.answer = func(c context.Context, db, stmt string, sent int) (rows, error) {
		if strings.HasPrefix(stmt, "ALTER") {
			cancel(errors.New("lease lost"))
			return rows{}, c.Err()
		}
		return whole(c, db, stmt, sent)
	}
	err := server(t, f).Rename(ctx, "Orders", "Orders_old", created)
	if err == nil || !strings.Contains(err.Error(), "lease lost") || !strings.Contains(err.Error(), "either name") || errors.As(err, new(*bacvault.Failure)) {
		t.Errorf("error is %v", err)
	}
}
