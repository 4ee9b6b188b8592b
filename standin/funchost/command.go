package funchost

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
)

// Command runs the stand-in alone until ctx ends or the host stops by itself. --env-file is a local.settings.json; only its
// Values reach the handler.
func Command(ctx context.Context, args []string, stdout io.Writer) error {
	fs := flag.NewFlagSet("funchost", flag.ContinueOnError)
	fs.SetOutput(stdout)
	root := fs.String("root", ".", "script `folder`: host.json, the handler, <function>/function.json")
	envFile := fs.String("env-file", "", "local.settings.json `file` with the app settings")
	listen := fs.String("listen", "127.0.0.1:7071", "`address` of the HTTP front")
	status := fs.String("status-dir", "", "`folder` of the timers' status files")
	if err := fs.Parse(args); err != nil {
		return err
	}
	env, err := readLocalSettings(*envFile)
	if err != nil {
		return err
	}
	h, err := Start(ctx, Config{Root: *root, Env: env, Listen: *listen, StatusDir: *status, Output: stdout,
		Log: func(format string, args ...any) { fmt.Fprintf(stdout, "host: "+format+"\n", args...) }})
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "host: http://%s, handler pid %d\n", h.Addr(), h.HandlerPID())
	select {
	case <-ctx.Done():
	case <-h.Done():
	}
	return h.Close()
}

// readLocalSettings reads the Values of a local.settings.json; no file is no settings.
func readLocalSettings(path string) (map[string]string, error) {
	if path == "" {
		return map[string]string{}, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var doc struct {
		IsEncrypted bool
		Values      map[string]string
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if doc.IsEncrypted {
		return nil, fmt.Errorf("read %s: encrypted settings are not served", path)
	}
	return doc.Values, nil
}
