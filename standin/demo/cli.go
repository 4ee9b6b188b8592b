package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// cli runs the operator's command line under an identity, with its settings and nothing else in the environment.
func (d *demo) cli(ctx context.Context, who, client string, args ...string) (stdout []byte, code int, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	d.say("$ bacvault %s    (as %s)", strings.Join(args, " "), who)
	cmd := exec.CommandContext(ctx, d.bacvault, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + d.dir}
	for k, v := range d.stack.Settings(client) {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, 0, fmt.Errorf("run bacvault %s: %w", strings.Join(args, " "), err)
	}
	if code = cmd.ProcessState.ExitCode(); code != 0 {
		d.say("exit %d: %s", code, strings.TrimSpace(words.String()))
	}
	return out.Bytes(), code, nil
}
