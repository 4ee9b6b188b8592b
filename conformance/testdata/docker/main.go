// Command docker stands in for docker where tools/image and tools/check-image are tested. It is built on its own and not part of
// the test binary, whose start costs too much for some hundred calls.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"text/template"
	"time"
)

func main() {
	os.Exit(docker(os.Getenv("BACVAULT_TEST_DOCKER"), os.Args[1:]))
}

// image is what the stand-in knows of the one image that it has; the files of its root lie beside it.
type image struct {
	ID           string
	Os           string
	Architecture string
	Size         int64
	RepoDigests  []string
	Config       struct {
		User         string
		Entrypoint   []string
		Cmd          []string
		Env          []string
		Labels       map[string]string
		ExposedPorts map[string]struct{}
		Volumes      map[string]struct{}
	}
	History     []string
	SBOM        any // what imagetools shows; nil prints null, as the real one does
	Provenance  any
	Process1    string
	Listens     bool
	Running     bool
	IgnoresTERM bool
}

// roots are the places of an image that a script may name: they lie below a folder here.
var roots = regexp.MustCompile(`(^|[\s"'=<(])(/(?:home|root|src|sqlpackage\.zip|azure-functions-host|FuncExtensionBundles|opt|var/lib|usr/local|usr/lib)\b)`)

// docker answers the commands that tools/image and tools/check-image give, and writes each down. Scripts for a container really
// run, on files below a folder and as a user without rights; what is started in the background is only acted.
func docker(dir string, args []string) int {
	img, err := readImage(dir)
	if err == nil {
		err = note(dir, args)
	}
	if err == nil {
		err = answer(dir, img, args)
	}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.ExitCode()
	case err != nil:
		fmt.Fprintln(os.Stderr, "stand-in for docker:", err)
		return 125
	}
	return 0
}

func answer(dir string, img image, args []string) error {
	said := strings.Join(args, " ")
	format := after(args, "--format")
	switch {
	case args[0] == "info", said == "buildx version", slices.Equal(args[:min(2, len(args))], []string{"buildx", "build"}):
		return nil
	case strings.HasPrefix(said, "image inspect"):
		if args[len(args)-1] != "bacvault:test" {
			return errors.New("no such image")
		}
		return show(format, img)
	case strings.HasPrefix(said, "history --no-trunc"):
		_, err := fmt.Println(strings.Join(img.History, "\n"))
		return err
	case strings.HasPrefix(said, "buildx imagetools inspect"):
		if !slices.Contains(img.RepoDigests, args[3]) {
			return errors.New("not in the registry")
		}
		return show(format, img)
	case slices.Contains(args, "--entrypoint"):
		return script(dir, img, args)
	case args[0] == "run":
		_, err := fmt.Println("c0ffee")
		return err
	case args[0] == "inspect":
		_, err := fmt.Println(img.Running)
		return err
	case args[0] == "exec" && args[2] == "grep":
		if img.Listens {
			return nil
		}
		return exec.Command("false").Run()
	case args[0] == "exec":
		_, err := fmt.Print(img.Process1 + "\x00")
		return err
	case args[0] == "wait":
		if img.IgnoresTERM {
			time.Sleep(2 * time.Minute)
		}
		_, err := fmt.Println(0)
		return err
	case args[0] == "kill", args[0] == "rm", args[0] == "logs":
		return nil
	}
	return errors.New("unknown: " + said)
}

// show is --format, by the same templates as the real one's.
func show(format string, img image) error {
	t, err := template.New("").Funcs(template.FuncMap{"json": func(v any) (string, error) {
		b, err := json.Marshal(v)
		return string(b), err
	}}).Parse(format)
	if err != nil {
		return err
	}
	if err := t.Execute(os.Stdout, img); err != nil {
		return err
	}
	_, err = fmt.Println()
	return err
}

// script runs what --entrypoint /bin/sh -c was given, in the image's root or in the base image's.
func script(dir string, img image, args []string) error {
	if after(args, "--network") != "none" || !slices.Contains(args, "--rm") {
		return errors.New("a script without --rm and --network none")
	}
	root := filepath.Join(dir, "root")
	if !slices.Contains(args, "bacvault:test") {
		if base := img.Config.Labels["org.opencontainers.image.base.name"] + "@" + img.Config.Labels["org.opencontainers.image.base.digest"]; !slices.Contains(args, base) {
			return errors.New("no such image")
		}
		root = filepath.Join(dir, "base")
	}
	text := roots.ReplaceAllString(after(args, "-c"), "${1}"+root+"${2}")
	text = strings.ReplaceAll(text, "find / ", "find "+root+" ")
	cmd := exec.Command("/bin/sh", "-c", text)
	cmd.Env = append([]string{"PATH=" + root + "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, img.Config.Env...)
	if os.Getuid() == 0 && after(args, "--user") != "0" {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 10001, Gid: 10001}}
	}
	cmd.Dir = "/"
	out, err := cmd.Output()
	_, printErr := os.Stdout.WriteString(strings.ReplaceAll(string(out), root, ""))
	return errors.Join(err, printErr)
}

func after(args []string, flag string) string {
	if i := slices.Index(args, flag); i >= 0 && i+1 < len(args) {
		return args[i+1]
	}
	return ""
}

func readImage(dir string) (img image, err error) {
	b, err := os.ReadFile(filepath.Join(dir, "image.json"))
	if err == nil {
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.DisallowUnknownFields() // the test's own image has the same fields
		err = dec.Decode(&img)
	}
	return img, err
}

// note appends a call to the list of calls, one JSON array a line.
func note(dir string, args []string) error {
	f, err := os.OpenFile(filepath.Join(dir, "calls"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	b, err := json.Marshal(args)
	if err == nil {
		_, err = f.Write(append(b, '\n'))
	}
	return errors.Join(err, f.Close())
}
