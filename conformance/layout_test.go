package conformance_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/bacvault/bacvault/"

// sdk names the outside services that a room may talk to, by the beginning of the import path.
const (
	azcore     = "github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azblob     = "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	armstorage = "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/storage/armstorage"
	armsql     = "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/sql/armsql"
	azbus      = "github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	azidentity = "github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	mssql      = "github.com/microsoft/go-mssqldb"
	logrus     = "github.com/sirupsen/logrus"
)

// room is what a folder may import beside the standard library and small libraries that reach no service.
type room struct {
	ours []string // rooms of ours, below it
	sdk  []string
}

// rooms is the map of the house. A new folder is a line here and in the README, in the same change.
var rooms = map[string]room{
	"handler":             {ours: []string{"internal/app", "internal/backup", "internal/promote", "internal/restore", "internal/bus", "internal/config", "internal/watch", "internal/bacvault"}, sdk: []string{logrus}},
	"cmd/bacvault":        {ours: []string{"internal/app", "internal/bacpac", "internal/config", "internal/bacvault"}, sdk: []string{logrus}},
	"acceptance":          {ours: []string{"internal/app", "internal/azuresql", "internal/config", "internal/gate", "internal/bacvault"}, sdk: []string{azcore, azblob, armstorage}},
	"internal/app":        {ours: []string{"internal/azuresql", "internal/backup", "internal/bacpac", "internal/bacvault", "internal/bus", "internal/config", "internal/drill", "internal/gate", "internal/notify", "internal/promote", "internal/probe", "internal/restore", "internal/sqlpackage", "internal/state", "internal/status", "internal/vault", "internal/watch"}, sdk: []string{azidentity, azcore}},
	"internal/azuresql":   {ours: []string{"internal/bacvault"}, sdk: []string{mssql, armsql, azcore}},
	"internal/backup":     {ours: []string{"internal/bacvault"}},
	"internal/bacpac":     {ours: []string{"internal/bacvault"}},
	"internal/bacvault":   {},
	"internal/bus":        {ours: []string{"internal/bacvault"}, sdk: []string{azbus, azcore}},
	"internal/config":     {},
	"internal/drill":      {ours: []string{"internal/bacvault"}},
	"internal/gate":       {ours: []string{"internal/bacvault"}, sdk: []string{azblob, armstorage, azcore}},
	"internal/notify":     {ours: []string{"internal/bacvault"}},
	"internal/promote":    {ours: []string{"internal/bacvault"}},
	"internal/probe":      {ours: []string{"internal/bacvault"}, sdk: []string{azblob, azcore}},
	"internal/restore":    {ours: []string{"internal/bacvault"}},
	"internal/sqlpackage": {ours: []string{"internal/bacvault"}},
	"internal/state":      {ours: []string{"internal/bacvault"}, sdk: []string{azblob, azcore}},
	"internal/status":     {ours: []string{"internal/bacvault", "internal/watch"}},
	"internal/vault":      {ours: []string{"internal/bacvault"}, sdk: []string{azblob, azcore}},
	"internal/watch":      {ours: []string{"internal/bacvault"}},
}

// services is every SDK prefix, so that one that is not listed for a room is found.
var services = []string{"github.com/Azure/", "github.com/microsoft/go-mssqldb", logrus}

func TestImportsPointDown(t *testing.T) {
	atTop(t)
	seen := map[string]bool{}
	walkGo(t, func(file, dir string) {
		top, _, _ := strings.Cut(dir, "/")
		standin := top == "standin"
		r, listed := rooms[dir]
		// The tests here hold the product, the stand-ins and infra/ to each other.
		held := dir == "conformance" && strings.HasSuffix(file, "_test.go")
		if !standin && top != "e2e" && top != "bench" && top != "tools" && top != "conformance" { // a tool is a module of its own
			seen[dir] = true
			if !listed && !strings.HasSuffix(file, "_test.go") {
				t.Errorf("%s: the room %s is not in the map of the house", file, dir)
				return
			}
		}
		for _, imp := range imports(t, file) {
			own, isOurs := strings.CutPrefix(imp, module)
			switch {
			case standin && isOurs && !strings.HasPrefix(own, "standin/"):
				t.Errorf("%s imports %s: a stand-in shares nothing with the product, so that it can contradict it", file, own)
			case !standin && top != "e2e" && top != "bench" && !held && isOurs && strings.HasPrefix(own, "standin"):
				t.Errorf("%s imports %s: the product knows no stand-in", file, own)
			case listed && isOurs && own != dir && !slices.Contains(r.ours, own):
				t.Errorf("%s imports %s, which %s may not", file, own, dir)
			case listed && !strings.HasSuffix(file, "_test.go") && service(imp) && !slices.ContainsFunc(r.sdk, func(p string) bool { return strings.HasPrefix(imp, p) }):
				t.Errorf("%s imports %s, which %s may not", file, imp, dir)
			}
			if dir == "internal/bacvault" && strings.Contains(strings.Split(imp, "/")[0], ".") && !strings.HasSuffix(file, "_test.go") {
				t.Errorf("%s imports %s: the vocabulary is standard library only", file, imp)
			}
		}
	})
	for dir := range rooms {
		if !seen[dir] {
			t.Errorf("the map of the house names %s, which does not exist", dir)
		}
	}
}

func service(imp string) bool {
	return slices.ContainsFunc(services, func(p string) bool { return strings.HasPrefix(imp, p) })
}

func TestEnvironmentIsReadInOnePlace(t *testing.T) {
	atTop(t)
	walkGo(t, func(file, dir string) {
		if !strings.HasPrefix(dir, "internal/") || dir == "internal/config" || strings.HasSuffix(file, "_test.go") {
			return
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"os.Getenv", "os.LookupEnv", "os.Environ", "InsecureAllow", "TrustServerCertificate=true", "InsecureSkipVerify = true", "InsecureSkipVerify: true"} {
			if strings.Contains(string(b), word) {
				t.Errorf("%s holds %s", file, word)
			}
		}
	})
}

func TestReadmeMapsEveryRoom(t *testing.T) {
	atTop(t)
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for dir := range rooms {
		if !strings.Contains(string(b), "`"+dir+"`") {
			t.Errorf("README.md's map lacks `%s`", dir)
		}
	}
}

func walkGo(t *testing.T, do func(file, dir string)) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && p != ".") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(p, ".go") {
			n++
			p = filepath.ToSlash(p)
			do(p, path.Dir(p))
		}
		return nil
	})
	if err != nil || n == 0 {
		t.Fatalf("%d Go files, error %v", n, err)
	}
}

func imports(t *testing.T, file string) (out []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range f.Imports {
		s, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}
