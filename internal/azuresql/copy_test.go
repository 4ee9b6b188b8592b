package azuresql_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// errBlock stands for a statement that blocks until its context ends.
var errBlock = errors.New("block")

func TestCopy(t *testing.T) {
	for name, c := range map[string]struct {
		looks   []string // states of the target, look by look; the last one stays
		creates []error  // answers to CREATE DATABASE, try by try; nil after that
		wait    time.Duration
		code    bacvault.Code // empty: success
		class   bacvault.Class
		sent    int // CREATE DATABASE statements
	}{
		"plain":                               {looks: []string{"", "", "COPYING", "COPYING", "ONLINE"}, sent: 1},
		"statement that never ends":           {looks: []string{"", "COPYING", "ONLINE"}, creates: []error{errBlock}, sent: 1},
		"shown late":                          {looks: []string{"", "", "", "", "ONLINE"}, sent: 1},
		"broken connection, copy goes on":     {looks: []string{"", "COPYING", "COPYING", "ONLINE"}, creates: []error{io.EOF}, sent: 1},
		"broken connection, no copy":          {looks: []string{""}, creates: []error{io.ErrUnexpectedEOF}, code: bacvault.CodeCopyFailed, class: bacvault.Retry, sent: 1},
		"answered, no copy":                   {looks: []string{""}, code: bacvault.CodeCopyFailed, class: bacvault.Retry, sent: 1},
		"throttled twice":                     {looks: []string{"", "", "", "", "", "COPYING", "ONLINE"}, creates: []error{sqlError(49918), sqlError(40501)}, sent: 3},
		"throttled for good":                  {looks: []string{""}, creates: []error{sqlError(49918), sqlError(49918), sqlError(49918), sqlError(49918)}, code: bacvault.CodeSQLUnreachable, class: bacvault.Retry, sent: 4},
		"taken, after an answer of no":        {looks: []string{"", "", "COPYING", "COPYING", "ONLINE"}, creates: []error{sqlError(40197)}, sent: 1},
		"name taken before":                   {looks: []string{"ONLINE"}, code: bacvault.CodeTargetExists, class: bacvault.Refused, sent: 0},
		"name taken in between":               {looks: []string{""}, creates: []error{sqlError(1801)}, code: bacvault.CodeTargetExists, class: bacvault.Refused, sent: 1},
		"no permission":                       {looks: []string{""}, creates: []error{sqlError(262)}, code: bacvault.CodeSQLDenied, class: bacvault.Terminal, sent: 1},
		"an error that nobody knows":          {looks: []string{""}, creates: []error{sqlError(45678)}, code: bacvault.CodeCopyFailed, class: bacvault.Retry, sent: 1},
		"no source":                           {looks: []string{""}, creates: []error{sqlError(40561)}, code: bacvault.CodeSQLNotFound, class: bacvault.Refused, sent: 1},
		"no such objective":                   {looks: []string{""}, creates: []error{sqlError(40804)}, code: bacvault.CodeSQLRefused, class: bacvault.Terminal, sent: 1},
		"no room":                             {looks: []string{""}, creates: []error{sqlError(40544)}, code: bacvault.CodeCopyNoRoom, class: bacvault.Terminal, sent: 1},
		"suspect":                             {looks: []string{"", "COPYING", "SUSPECT"}, creates: []error{errBlock}, code: bacvault.CodeCopyFailed, class: bacvault.Retry, sent: 1},
		"vanished":                            {looks: []string{"", "COPYING", ""}, creates: []error{errBlock}, code: bacvault.CodeCopyFailed, class: bacvault.Retry, sent: 1},
		"copying for ever":                    {looks: []string{"", "COPYING"}, creates: []error{errBlock}, wait: 60 * time.Millisecond, code: bacvault.CodeCopyTimeout, class: bacvault.Retry, sent: 1},
		"looks fail for a while":              {looks: []string{"", "COPYING", "!40613", "!40613", "COPYING", "ONLINE"}, sent: 1},
		"looks are refused":                   {looks: []string{"", "COPYING", "!916"}, creates: []error{errBlock}, code: bacvault.CodeSQLDenied, class: bacvault.Terminal, sent: 1},
		"online once, then copying, then not": {looks: []string{"", "ONLINE", "COPYING", "SUSPECT"}, creates: []error{errBlock}, code: bacvault.CodeCopyFailed, class: bacvault.Retry, sent: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{answer: func(ctx context.Context, db, stmt string, n int) (rows, error) {
				if strings.HasPrefix(stmt, "SELECT") {
					state := c.looks[min(n, len(c.looks))-1]
					if number, ok := strings.CutPrefix(state, "!"); ok {
						return rows{}, sqlError(map[string]int32{"40613": 40613, "916": 916}[number])
					}
					return inState(state), nil
				}
				var err error
				if n <= len(c.creates) {
					err = c.creates[n-1]
				}
				if errors.Is(err, errBlock) {
					<-ctx.Done()
					err = ctx.Err()
				}
				return rows{}, err
			}}
			if c.wait == 0 {
				c.wait = 10 * time.Second
			}
			err := server(t, f).Copy(t.Context(), "Orders", "Orders_copy", "", c.wait)
			if c.code == "" && err != nil {
				t.Fatal(err)
			}
			if c.code != "" {
				wantFailure(t, err, c.code, c.class)
			}
			if got := f.said("CREATE"); len(got) != c.sent {
				t.Errorf("sent %d times, want %d: %q", len(got), c.sent, got)
			}
		})
	}
}

func TestCopyStatement(t *testing.T) {
	for name, c := range map[string]struct{ source, target, objective, want string }{
		"plain":          {"Orders", "Orders_copy", "", "master: CREATE DATABASE [Orders_copy] AS COPY OF [Orders];"},
		"objective":      {"Orders", "Orders_copy", "GP_S_Gen5_2", "master: CREATE DATABASE [Orders_copy] AS COPY OF [Orders] (SERVICE_OBJECTIVE = 'GP_S_Gen5_2');"},
		"telling names":  {"a]; DROP DATABASE [b", "{source}", "", "master: CREATE DATABASE [{source}] AS COPY OF [a]]; DROP DATABASE [b];"},
		"bad objective":  {"Orders", "Orders_copy", "S9')--", ""},
		"system target":  {"Orders", "Master", "", ""},
		"empty target":   {"Orders", "", "", ""},
		"control source": {"a\nb", "x", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{}
			f.answer = func(_ context.Context, _, stmt string, _ int) (rows, error) {
				if strings.HasPrefix(stmt, "SELECT") && len(f.said("CREATE")) > 0 {
					return inState("ONLINE"), nil
				}
				return rows{}, nil
			}
			err := server(t, f).Copy(t.Context(), c.source, c.target, c.objective, 10*time.Second)
			if c.want == "" {
				wantFailure(t, err, bacvault.CodeRequestMalformed, bacvault.Rejected)
				if len(f.sent) > 0 {
					t.Errorf("sent %q", f.sent)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{c.want}, f.said("CREATE")); diff != "" {
				t.Error("(-want +got):\n" + diff)
			}
		})
	}
}

// A cancelled run is no timeout of the copy, and its statement's goroutine ends with it.
func TestCancelledCopy(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan struct{})
	f := &fake{answer: func(c context.Context, _, stmt string, n int) (rows, error) {
		if strings.HasPrefix(stmt, "SELECT") {
			if n == 5 {
				cancel(errors.New("lease lost"))
			}
			return inState(map[bool]string{true: "", false: "COPYING"}[n == 1]), nil
		}
		<-c.Done()
		close(ended)
		return rows{}, c.Err()
	}}
	err := server(t, f).Copy(ctx, "Orders", "Orders_copy", "", time.Minute)
	if err == nil || !strings.Contains(err.Error(), "lease lost") || errors.As(err, new(*bacvault.Failure)) {
		t.Errorf("error is %v", err)
	}
	select {
	case <-ended:
	default:
		t.Error("the statement is still running")
	}
}

func TestWaitOnline(t *testing.T) {
	for name, c := range map[string]struct {
		looks []string
		wait  time.Duration
		code  bacvault.Code
	}{
		"appears late": {[]string{"", "", "", "", "", "", "", "", "", "COPYING", "ONLINE"}, 10 * time.Second, ""},
		"suspect":      {[]string{"SUSPECT"}, 10 * time.Second, bacvault.CodeCopyFailed},
		"vanishes":     {[]string{"RESTORING", ""}, 10 * time.Second, bacvault.CodeCopyFailed},
		"never":        {[]string{""}, 40 * time.Millisecond, bacvault.CodeCopyTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{answer: func(_ context.Context, _, _ string, n int) (rows, error) {
				return inState(c.looks[min(n, len(c.looks))-1]), nil
			}}
			info, err := server(t, f).WaitOnline(t.Context(), "Orders_copy", c.wait)
			if c.code != "" {
				wantFailure(t, err, c.code, bacvault.Retry)
				return
			}
			if err != nil || info.State != "ONLINE" || info.Compatibility != 160 || !info.Created.Equal(created) {
				t.Errorf("%+v, %v", info, err)
			}
		})
	}
}

func TestDrop(t *testing.T) {
	later := inState("ONLINE")
	later.data[0][2] = created.Add(time.Second)
	there, not := inState("ONLINE"), rows{}
	for name, c := range map[string]struct {
		looks []rows // look by look; the last one stays
		drops []error
		code  bacvault.Code
		class bacvault.Class
		sent  int
	}{
		"there":                             {looks: []rows{there}, sent: 1},
		"not there":                         {looks: []rows{not}, sent: 0},
		"copying":                           {looks: []rows{inState("COPYING")}, sent: 1},
		"broken, yet dropped":               {looks: []rows{there, not}, drops: []error{io.EOF}, sent: 1},
		"broken, still there":               {looks: []rows{there}, drops: []error{io.EOF}, sent: 2},
		"busy for a while":                  {looks: []rows{there}, drops: []error{sqlError(40613), sqlError(40501)}, sent: 3},
		"gone by itself":                    {looks: []rows{there, not}, drops: []error{sqlError(3701)}, sent: 1},
		"another one took the name":         {looks: []rows{there, later}, drops: []error{io.EOF}, code: bacvault.CodeSQLRefused, class: bacvault.Refused, sent: 1},
		"no permission":                     {looks: []rows{there}, drops: []error{sqlError(262)}, code: bacvault.CodeSQLDenied, class: bacvault.Terminal, sent: 1},
		"broken each time":                  {looks: []rows{there}, drops: []error{io.EOF, io.EOF, io.EOF, io.EOF}, code: bacvault.CodeSQLUnreachable, class: bacvault.Retry, sent: 4},
		"an error that nobody knows: retry": {looks: []rows{there}, drops: []error{sqlError(3702)}, code: bacvault.CodeSQLRefused, class: bacvault.Retry, sent: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{answer: func(_ context.Context, _, stmt string, n int) (rows, error) {
				if strings.HasPrefix(stmt, "SELECT") {
					return c.looks[min(n, len(c.looks))-1], nil
				}
				if n <= len(c.drops) {
					return rows{}, c.drops[n-1]
				}
				return rows{}, nil
			}}
			err := server(t, f).Drop(t.Context(), "Orders_copy")
			if c.code == "" && err != nil {
				t.Fatal(err)
			}
			if c.code != "" {
				wantFailure(t, err, c.code, c.class)
			}
			if got := f.said("DROP"); len(got) != c.sent || (c.sent > 0 && got[0] != "master: DROP DATABASE [Orders_copy];") {
				t.Errorf("sent %q, want %d times", got, c.sent)
			}
		})
	}
}

func TestDropLeavesSystemDatabasesAlone(t *testing.T) {
	f := &fake{}
	for _, name := range []string{"master", "MASTER", "model", "msdb", "tempdb", "", strings.Repeat("x", 129)} {
		wantFailure(t, server(t, f).Drop(t.Context(), name), bacvault.CodeRequestMalformed, bacvault.Rejected)
	}
	if len(f.sent) > 0 {
		t.Errorf("sent %q", f.sent)
	}
}
