package conformance_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// image is what the stand-in, conformance/testdata/docker, knows of the one image that it has; the files of its root lie beside it.
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

// standinDocker is that program, built once and kept in memory, so that no folder outlives the tests.
var standinDocker = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "docker")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "docker")
	out, err := exec.Command("go", "build", "-o", file, "./conformance/testdata/docker").CombinedOutput()
	if err != nil {
		return nil, errors.Join(errors.New(string(out)), os.RemoveAll(dir))
	}
	b, err := os.ReadFile(file)
	return b, errors.Join(err, os.RemoveAll(dir))
})

// calls is what docker was called with, in order.
func calls(t *testing.T, dir string) (out [][]string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "calls"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(strings.NewReader(string(b)))
	for {
		var args []string
		switch err := dec.Decode(&args); {
		case errors.Is(err, io.EOF):
			return out
		case err != nil:
			t.Fatal(err)
		}
		out = append(out, args)
	}
}
