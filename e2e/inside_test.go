package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/config"
)

// insideEnv tells this binary, started once more, to be the inside of the product: its rooms as the handler wires them, in a time
// that the test sets. It is a process of its own because each stack has a CA and an identity endpoint, which a process reads
// from its environment once.
const insideEnv = "E2E_INSIDE"

// order is one thing to do at a time; skew is how far that is from the machine's.
type order struct {
	Do       string
	Skew     time.Duration
	Database string
	Slot     time.Time
}

// reply is how it went.
type reply struct{ Error, Code string }

// beInside carries out orders until there are no more.
func beInside(environ []string, in io.Reader, out io.Writer) error {
	c, err := config.Load(environ)
	if err != nil {
		return err
	}
	var skew atomic.Int64
	a, err := app.New(c, app.Options{Version: "e2e", Environ: environ, Now: func() time.Time { return time.Now().Add(time.Duration(skew.Load())) }})
	if err != nil {
		return err
	}
	orders, replies := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var o order
		if err := orders.Decode(&o); err != nil {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return errors.Join(err, a.Close(ctx))
		}
		skew.Store(int64(o.Skew))
		var r reply
		if err := carryOut(a, o); err != nil {
			r.Error, r.Code = err.Error(), string(bacvault.AsFailure(err, "").Code)
		}
		if err := replies.Encode(r); err != nil {
			return err
		}
	}
}

func carryOut(a *app.App, o order) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s := bacvault.SlotAt(o.Slot)
	db := bacvault.Database{Server: server, Name: o.Database}
	switch o.Do {
	case "look":
		if _, err := a.ProbeDaily(ctx); err != nil {
			return err
		}
		_, err := a.Look(ctx)
		return err
	case "backup":
		_, err := a.Backup(ctx, bacvault.BackupRequest{
			Envelope: bacvault.Envelope{Schema: bacvault.BackupRequestSchema, ID: "night-" + s.Stamp(), Attempt: 1}, Database: db, Slot: &s,
		})
		return err
	case "drill":
		_, err := a.Drill(ctx, bacvault.RestoreRequest{
			Envelope: bacvault.Envelope{Schema: bacvault.RestoreRequestSchema, ID: "drill-" + s.Stamp(), Attempt: 1}, Kind: bacvault.KindDrill,
			Database: db, Backup: "latest", TargetDatabase: o.Database + "_DRILL",
		})
		return err
	}
	return fmt.Errorf("nobody knows how to %s", o.Do)
}

// inside is such a process.
type inside struct {
	a       *azure
	cmd     *exec.Cmd
	in      io.WriteCloser
	orders  *json.Encoder
	replies *json.Decoder
	words   *lines
	skew    time.Duration
}

// inside starts one under an identity.
func (a *azure) inside(client string) *inside {
	a.t.Helper()
	self, err := os.Executable()
	if err != nil {
		a.t.Fatal(err)
	}
	i := &inside{a: a, cmd: exec.Command(self), words: &lines{}}
	env := a.Settings(client)
	env["BACVAULT_WORK_DIR"] = filepath.Join(a.dir, "work-inside-"+client)
	i.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + a.dir, insideEnv + "=inside"}
	for k, v := range env {
		if !strings.HasPrefix(k, "AzureWebJobs_") {
			i.cmd.Env = append(i.cmd.Env, k+"="+v)
		}
	}
	i.cmd.Stderr = i.words
	out, err := i.cmd.StdoutPipe()
	if err != nil {
		a.t.Fatal(err)
	}
	if i.in, err = i.cmd.StdinPipe(); err != nil {
		a.t.Fatal(err)
	}
	if err := i.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	i.orders, i.replies = json.NewEncoder(i.in), json.NewDecoder(out)
	a.t.Cleanup(func() {
		if err := errors.Join(i.in.Close(), i.cmd.Wait()); err != nil {
			a.t.Errorf("the inside ended with %v\n%s", err, i.words)
		}
	})
	return i
}

// advance moves the time of the stack, and that of the inside with it.
func (i *inside) advance(d time.Duration) {
	i.a.Clock.Advance(d)
	i.skew += d
}

func (i *inside) now() time.Time { return i.a.Clock.Now() }

// do gives the code of a failure, or nothing.
func (i *inside) do(o order) string {
	i.a.t.Helper()
	o.Skew = i.skew
	var r reply
	if err := i.orders.Encode(o); err != nil {
		i.a.t.Fatalf("%s: %v\n%s", o.Do, err, i.words)
	}
	if err := i.replies.Decode(&r); err != nil {
		i.a.t.Fatalf("%s: %v\n%s", o.Do, err, i.words)
	}
	if r.Error != "" && o.Do == "look" {
		i.a.t.Fatalf("look: %s", r.Error)
	}
	return r.Code
}

// look makes a look and gives what it told, as type and subject.
func (i *inside) look() []string {
	i.a.t.Helper()
	i.do(order{Do: "look"})
	return i.a.news()
}
