package sqlserver_test

import (
	"bufio"
	"context"
	"database/sql"
	"io"
	"strings"
	"sync"
	"testing"

	mssql "github.com/microsoft/go-mssqldb"

	"github.com/google/go-cmp/cmp"

	"github.com/bacvault/bacvault/standin/sqlserver"
)

func TestCommandServesLoadedBacpacsToItsTokens(t *testing.T) {
	run, stop := context.WithCancel(ctx(t))
	defer stop()
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := sqlserver.Command(run, []string{"--listen", "127.0.0.1:0", "--load", "pubs=../../testdata/bacpacs/pubs.bacpac", "--token", "good"}, in)
		in.CloseWithError(io.EOF)
		done <- err
	}()
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatalf("no ready line: %v", <-done)
	}
	_, rest, _ := strings.Cut(lines.Text(), "listens on ")
	addr, _, _ := strings.Cut(rest, " ")
	var log sync.WaitGroup
	log.Go(func() { // what is not read would block the server
		for lines.Scan() {
		}
	})
	defer log.Wait()
	for token, want := range map[string][]int32{"good": nil, "bad": {18456}} {
		c, err := mssql.NewAccessTokenConnector("sqlserver://"+addr+"?database=pubs&encrypt=disable", func() (string, error) { return token, nil })
		if err != nil {
			t.Fatal(err)
		}
		db := sql.OpenDB(c)
		defer db.Close()
		if err := db.PingContext(ctx(t)); !cmp.Equal(want, numbers(err)) {
			t.Errorf("token %q: %v", token, err)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestCommandRefusesWhatItCannotServe(t *testing.T) {
	for _, args := range [][]string{
		{"--load", "pubs"}, {"--load", "pubs=nowhere.bacpac"}, {"--load", "pubs=README.md"}, {"--unknown"},
	} {
		if err := sqlserver.Command(ctx(t), append([]string{"--listen", "127.0.0.1:0"}, args...), io.Discard); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}
