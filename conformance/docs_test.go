package conformance_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/config"
)

func page(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// pages is README.md and every page under docs/.
func pages(t *testing.T) []string {
	t.Helper()
	out := []string{"README.md"}
	for _, pattern := range []string{"docs/*.md", "docs/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, found...)
	}
	if len(out) < 15 {
		t.Fatalf("only %d pages were found: %v", len(out), out)
	}
	return out
}

var (
	link = regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`)
	// elsewhere is a path or an address that exists on one machine only.
	elsewhere = regexp.MustCompile(`(^|[\s"'(=])(/(work|root|Users|mnt|workspace)/|/home/[a-z]+/(?:src|go|work))|\b(10\.\d+\.\d+\.\d+|192\.168\.\d+\.\d+)\b`)
)

func TestLinksPointAtFiles(t *testing.T) {
	atTop(t)
	n := 0
	for _, file := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(page(t, file), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			n++
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), filepath.FromSlash(m[1]))); err != nil {
				t.Errorf("%s links to %s, which is not there", file, m[1])
			}
		}
	}
	if n < 30 {
		t.Fatalf("only %d links were found", n)
	}
}

func TestEveryPageIsLinkedFromTheReadme(t *testing.T) {
	atTop(t)
	readme := page(t, "README.md")
	for _, file := range pages(t)[1:] {
		if !strings.Contains(readme, "]("+filepath.ToSlash(file)+")") {
			t.Errorf("README.md does not link to %s", file)
		}
	}
}

func TestPagesNameNoMachine(t *testing.T) {
	atTop(t)
	for _, file := range append(pages(t), "Dockerfile", "compose.yaml", "local.settings.json.example", "docs/grants.sql", "docs/grants-promote.sql", "docs/grants-revoke.sql") {
		for i, line := range strings.Split(page(t, file), "\n") {
			if m := elsewhere.FindString(line); m != "" {
				t.Errorf("%s, line %d: %q is outside of the repository", file, i+1, m)
			}
		}
	}
}

// rows gives the first cell of each table row that begins with a word in backticks; a cell may hold several.
func rows(text string) (out []string) {
	for _, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cell, _, _ := strings.Cut(line[2:], " |")
		for _, w := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
			out = append(out, w[1])
		}
	}
	return out
}

// section is the text from a heading to the next one of its rank.
func section(t *testing.T, text, heading string) string {
	t.Helper()
	_, after, ok := strings.Cut("\n"+text, "\n"+heading+"\n")
	if !ok {
		t.Fatalf("there is no heading %q", heading)
	}
	mark, _, _ := strings.Cut(heading, " ")
	before, _, _ := strings.Cut(after, "\n"+mark+" ")
	return before
}

// same compares two lists of words, in any order.
func same(t *testing.T, what string, documented, real []string) {
	t.Helper()
	for _, w := range real {
		if !slices.Contains(documented, w) {
			t.Errorf("%s: %s is not documented", what, w)
		}
	}
	for _, w := range documented {
		if !slices.Contains(real, w) {
			t.Errorf("%s: %s is documented and does not exist", what, w)
		}
	}
}

// tag is a field as encoding/json sees it.
type tag struct {
	name     string
	optional bool
	typ      reflect.Type
}

// tags lists the JSON fields of a struct, those of embedded structs among them.
func tags(typ reflect.Type) (out []tag) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			out = append(out, tags(f.Type)...)
		case f.IsExported() && name != "-":
			out = append(out, tag{name, strings.Contains(opts, "omitempty"), f.Type})
		}
	}
	return out
}

func names[T any]() (out []string) {
	for _, f := range tags(reflect.TypeFor[T]()) {
		out = append(out, f.name)
	}
	return out
}

type schema struct {
	Type       string            `json:"type"`
	Const      string            `json:"const"`
	Properties map[string]schema `json:"properties"`
	Required   []string          `json:"required"`
	Additional *bool             `json:"additionalProperties"`
	Items      *schema           `json:"items"`
}

// hold compares a schema with a struct: the same fields, the same ones required, all the way down.
func hold(t *testing.T, at string, s schema, typ reflect.Type) {
	t.Helper()
	switch {
	case typ == reflect.TypeFor[time.Time]() || typ == reflect.TypeFor[bacvault.Slot]():
		if s.Type != "string" {
			t.Errorf("%s: a time is of type %q in the schema", at, s.Type)
		}
		return
	case typ.Kind() == reflect.Slice:
		if s.Type != "array" || s.Items == nil {
			t.Fatalf("%s: a list is of type %q in the schema", at, s.Type)
		}
		hold(t, at+"[]", *s.Items, typ.Elem())
		return
	case typ.Kind() != reflect.Struct:
		if want := map[reflect.Kind]string{reflect.Int: "integer", reflect.Int64: "integer", reflect.Float64: "number", reflect.Bool: "boolean"}[typ.Kind()]; want != "" && s.Type != want {
			t.Errorf("%s: type %q in the schema, %q in the code", at, s.Type, want)
		}
		return
	}
	if s.Type != "object" || s.Additional == nil || *s.Additional {
		t.Errorf("%s: the schema lets unknown fields pass, the code does not", at)
	}
	var all, required []string
	for _, f := range tags(typ) {
		all = append(all, f.name)
		if !f.optional {
			required = append(required, f.name)
		}
		if sub, ok := s.Properties[f.name]; ok {
			hold(t, at+"."+f.name, sub, f.typ)
		}
	}
	var documented []string
	for name := range s.Properties {
		documented = append(documented, name)
	}
	same(t, at, documented, all)
	same(t, at+", required", s.Required, required)
}

func TestSchemasAreThoseOfTheStructs(t *testing.T) {
	atTop(t)
	for _, c := range []struct {
		file, name string
		typ        reflect.Type
	}{
		{"docs/manifest.v1.schema.json", bacvault.ManifestSchema, reflect.TypeFor[bacvault.Manifest]()},
		{"docs/proof.v1.schema.json", bacvault.ProofSchema, reflect.TypeFor[bacvault.Proof]()},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s schema
			if err := json.Unmarshal([]byte(page(t, c.file)), &s); err != nil {
				t.Fatal(err)
			}
			if got := s.Properties["schema"].Const; got != c.name {
				t.Errorf("the schema is for %q", got)
			}
			hold(t, c.name, s, c.typ)
		})
	}
}

// examples are the JSON documents of a page.
func examples(t *testing.T, file string) (out []string) {
	t.Helper()
	for _, part := range strings.Split(page(t, file), "```json\n")[1:] {
		doc, _, ok := strings.Cut(part, "```")
		if !ok {
			t.Fatalf("%s: an example does not end", file)
		}
		out = append(out, doc)
	}
	if len(out) == 0 {
		t.Fatalf("%s has no example", file)
	}
	return out
}

func TestExamplesParse(t *testing.T) {
	atTop(t)
	delivery := bacvault.Delivery{MessageID: "m", Enqueued: time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC), Count: 1}
	for _, file := range []string{"docs/requests.md", "docs/migration.md", "docs/manifest.md", "docs/events.md"} {
		for i, doc := range examples(t, file) {
			var head struct{ Schema, SpecVersion string }
			if err := json.Unmarshal([]byte(doc), &head); err != nil {
				t.Fatalf("%s, example %d: %v", file, i+1, err)
			}
			var err error
			switch head.Schema {
			case bacvault.BackupRequestSchema:
				_, err = bacvault.ParseBackupRequest([]byte(doc), delivery)
			case bacvault.RestoreRequestSchema:
				_, err = bacvault.ParseRestoreRequest([]byte(doc), delivery)
			case bacvault.ManifestSchema:
				_, err = bacvault.DecodeManifest([]byte(doc))
			case bacvault.ProofSchema:
				err = bacvault.DecodeStrict([]byte(doc), new(bacvault.Proof))
			case "":
				var e bacvault.Event
				if err = bacvault.DecodeStrict([]byte(doc), &e); err == nil && e.SpecVersion != "1.0" {
					err = fmt.Errorf("it is no event")
				}
				if want := bacvault.NewEvent(e.Type, e.Data.RequestID, e.Data.Attempt, "", "", time.Time{}, e.Data).ID; e.ID != want {
					t.Errorf("%s, example %d: the id is %s, the rule makes it %s", file, i+1, e.ID, want)
				}
			default:
				err = fmt.Errorf("schema %q is not known", head.Schema)
			}
			if err != nil {
				t.Errorf("%s, example %d: %v", file, i+1, err)
			}
		}
	}
}

func TestRequestsPageListsEveryField(t *testing.T) {
	atTop(t)
	text := page(t, "docs/requests.md")
	both := rows(section(t, text, "## Fields of both"))
	same(t, "a backup request", append(rows(section(t, text, "## A backup")), both...), names[bacvault.BackupRequest]())
	same(t, "a restore request", append(rows(section(t, text, "## A restore")), both...), names[bacvault.RestoreRequest]())
}

func TestEventsPageListsEveryTypeAndField(t *testing.T) {
	atTop(t)
	text := page(t, "docs/events.md")
	types := section(t, text, "## Types")
	var all []string
	for name, value := range constants(t, "internal/bacvault/event.go") {
		if !strings.HasSuffix(value, ".v1") {
			continue
		}
		all = append(all, value)
		_, row, _ := strings.Cut(types, "| `"+value+"` |")
		row, _, _ = strings.Cut(row, "\n")
		if said := strings.HasSuffix(row, "| yes |"); said != used(t, name) {
			t.Errorf("%s is published: %t, the page says %t", value, !said, said)
		}
	}
	same(t, "event types", rows(types), all)
	same(t, "an event", rows(section(t, text, "## Fields")), append(names[bacvault.Event](), names[bacvault.EventData]()...))
}

// used says whether the handler or the composition names a constant of the vocabulary.
func used(t *testing.T, name string) bool {
	t.Helper()
	for _, dir := range []string{"handler", "internal/app", "internal/watch"} {
		files, err := filepath.Glob(dir + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", dir, len(files), err)
		}
		for _, f := range files {
			if !strings.HasSuffix(f, "_test.go") && regexp.MustCompile(`bacvault\.`+name+`\b`).MatchString(page(t, f)) {
				return true
			}
		}
	}
	return false
}

// constants reads the constants of a file whose values are texts, numbers, or 128 and a signal.
func constants(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			if len(v.Values) != 1 {
				continue
			}
			switch x := v.Values[0].(type) {
			case *ast.BasicLit:
				if text, err := strconv.Unquote(x.Value); err == nil {
					out[v.Names[0].Name] = text
				} else {
					out[v.Names[0].Name] = x.Value
				}
			case *ast.BinaryExpr: // 128 + int(syscall.SIGTERM)
				if lit, ok := x.X.(*ast.BasicLit); ok && lit.Value == "128" {
					out[v.Names[0].Name] = strconv.Itoa(128 + int(syscall.SIGTERM))
				}
			}
		}
	}
	return out
}

func TestExitCodesPageIsTrue(t *testing.T) {
	atTop(t)
	text := page(t, "docs/exit-codes.md")
	for heading, file := range map[string]string{"## bacvault, the command line": "cmd/bacvault/main.go", "## handler": "handler/main.go"} {
		var real, documented []string
		for name, value := range constants(t, file) {
			if strings.HasPrefix(name, "exit") {
				real = append(real, value+" "+name)
			}
		}
		for _, m := range regexp.MustCompile("(?m)^\\| (\\d+) \\| `(\\w+)` \\|").FindAllStringSubmatch(section(t, text, heading), -1) {
			documented = append(documented, m[1]+" "+m[2])
		}
		if len(real) == 0 {
			t.Fatalf("%s has no exit codes", file)
		}
		same(t, file, documented, real)
	}
}

// right is a line of the stand-ins' table of who may do what, with the scope in the words of docs/permissions.md.
type right struct{ who, action, place string }

// rights reads the table's source: the product may not import a stand-in, and this package counts as product.
func rights(t *testing.T) (out []right) {
	t.Helper()
	const file = "standin/roles/actions.go"
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	action := constants(t, file)
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if fun, named := ident(call, ok); !named || fun != "grant" {
			return true
		}
		who, ok := call.Args[0].(*ast.Ident)
		if !ok {
			t.Fatalf("%s: who is granted something is not a name", file)
		}
		for _, a := range call.Args[2:] {
			name, ok := a.(*ast.Ident)
			switch {
			case who.Name == "Admin": // a human who may do everything; the page is about the others
			case !ok || action[name.Name] == "":
				t.Fatalf("%s: a granted action is not a constant of the file", file)
			case who.Name == "app":
				place := scope(t, call.Args[1], action[name.Name])
				out = append(out, right{"Backup", action[name.Name], place}, right{"Restore", action[name.Name], place})
			default:
				out = append(out, right{who.Name, action[name.Name], scope(t, call.Args[1], action[name.Name])})
			}
		}
		return true
	})
	if len(out) < 25 {
		t.Fatalf("only %d rights were found in %s", len(out), file)
	}
	return out
}

func ident(call *ast.CallExpr, ok bool) (string, bool) {
	if !ok {
		return "", false
	}
	i, ok := call.Fun.(*ast.Ident)
	if !ok {
		return "", false
	}
	return i.Name, true
}

// scope is what docs/permissions.md calls a scope of the table.
func scope(t *testing.T, e ast.Expr, action string) string {
	t.Helper()
	if i, ok := e.(*ast.Ident); ok && (i.Name == "vault" || i.Name == "state") {
		return i.Name + " container"
	}
	lit, ok := e.(*ast.BasicLit)
	if !ok {
		t.Fatalf("a scope of %s is neither vault nor state nor a text", action)
	}
	s, err := strconv.Unquote(lit.Value)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case s == "*" && action == "sql/login":
		return "server"
	case s == "*" && strings.HasPrefix(action, "sql/"):
		return "each protected database"
	case s == "master":
		return s
	}
	name := s[strings.Index(s, "/")+1:]
	if topic, ok := strings.CutSuffix(name, "/subscriptions/*"); ok {
		return "subscriptions of `" + topic + "`"
	}
	return "`" + name + "`"
}

func TestPermissionsPageIsTheTableOfRoles(t *testing.T) {
	atTop(t)
	text := page(t, "docs/permissions.md")
	for heading, who := range map[string][]string{
		"## Backup identity": {"Backup"}, "## Restore identity": {"Restore"}, "## People and programs beside them": {"Operator", "Alerting"},
	} {
		var real, documented []string
		for _, r := range rights(t) {
			if slices.Contains(who, r.who) {
				real = append(real, r.action+" on "+r.place)
			}
		}
		for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]+) \\|").FindAllStringSubmatch(section(t, text, heading), -1) {
			documented = append(documented, m[1]+" on "+m[2])
		}
		same(t, heading, documented, real)
	}
}

// The settings that these pages and files name exist.
func TestSettingsNamedInPagesExist(t *testing.T) {
	atTop(t)
	var known []string
	for _, s := range config.Settings() {
		known = append(known, s.Name)
	}
	files := append(pages(t), "Dockerfile", "compose.yaml", "local.settings.json.example")
	areKnown(t, files, known, 40, func(file string) []string {
		return regexp.MustCompile(`\bBACVAULT_[A-Z_]*[A-Z]\b`).FindAllString(page(t, file), -1)
	})
}

// areKnown holds that each name that the files have is known. Fewer names than there must be at the least mean that the search is broken.
func areKnown(t *testing.T, files, known []string, least int, names func(file string) []string) {
	t.Helper()
	n := 0
	for _, file := range files {
		for _, name := range names(file) {
			n++
			if !slices.Contains(known, name) {
				t.Errorf("%s names %s, which does not exist", file, name)
			}
		}
	}
	if n < least {
		t.Fatalf("only %d names were found", n)
	}
}

func TestLocalSettingsExampleIsTaken(t *testing.T) {
	atTop(t)
	var f struct{ Values map[string]string }
	if err := bacvault.DecodeStrict([]byte(strings.Replace(page(t, "local.settings.json.example"), `"IsEncrypted": false,`, "", 1)), &f); err != nil {
		t.Fatal(err)
	}
	var environ []string
	for k, v := range f.Values {
		environ = append(environ, k+"="+v)
	}
	if _, err := config.Load(environ); err != nil {
		t.Fatal(err)
	}
}

// The emulator's namespace is that of the stand-in, within the limits of its schema: duplicates for at most five minutes.
func TestEmulatorHasOurEntities(t *testing.T) {
	atTop(t)
	const file = "standin/servicebus/entities.go"
	filter := constants(t, file)["failuresFilter"]
	for _, want := range []string{
		"LockDuration: 5 * time.Minute, MaxDeliveryCount: 5, DuplicateWindow: 10 * time.Minute, DeadLetterOnExpiration: true",
		`requests("backup-requests"), requests("restore-requests")`, `"backup-events"`, `{Name: "all",`, `{Name: "failures",`, `{Name: "notify", LockDuration: time.Minute, DefaultTimeToLive: 7 * 24 * time.Hour, SQL: failuresFilter}`,
	} {
		if filter == "" || !strings.Contains(page(t, file), want) {
			t.Fatalf("%s no longer says %s: bring compose/servicebus.json and this test up to it", file, want)
		}
	}
	type properties struct {
		LockDuration, DuplicateDetectionHistoryTimeWindow            string
		MaxDeliveryCount                                             int
		RequiresDuplicateDetection, DeadLetteringOnMessageExpiration bool
	}
	type entity struct {
		Name          string
		Properties    properties
		Subscriptions []entity
		Rules         []struct {
			Properties struct {
				SqlFilter struct{ SqlExpression string }
			}
		}
	}
	var c struct {
		UserConfig struct {
			Namespaces []struct{ Queues, Topics []entity }
		}
	}
	if err := json.Unmarshal([]byte(page(t, "compose/servicebus.json")), &c); err != nil || len(c.UserConfig.Namespaces) != 1 {
		t.Fatalf("%d namespaces, %v", len(c.UserConfig.Namespaces), err)
	}
	ns := c.UserConfig.Namespaces[0]
	if len(ns.Queues) != 2 || len(ns.Topics) != 1 || len(ns.Topics[0].Subscriptions) != 3 {
		t.Fatalf("%+v", ns)
	}
	for i, name := range []string{bacvault.BackupQueue, bacvault.RestoreQueue} {
		if q := ns.Queues[i]; q.Name != name || q.Properties != (properties{"PT5M", "PT5M", 5, true, true}) {
			t.Errorf("queue %+v, want %s", q, name)
		}
	}
	topic := ns.Topics[0]
	if topic.Name != bacvault.EventTopic || !topic.Properties.RequiresDuplicateDetection {
		t.Errorf("topic %s, duplicate detection %t", topic.Name, topic.Properties.RequiresDuplicateDetection)
	}
	all := topic.Subscriptions[0]
	if all.Name != "all" || len(all.Rules) != 0 {
		t.Fatalf("subscriptions %+v", topic.Subscriptions)
	}
	plain := func(s string) string {
		return strings.Join(strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(s)), " ")
	}
	for i, name := range []string{"failures", "notify"} {
		sub := topic.Subscriptions[i+1]
		if sub.Name != name || len(sub.Rules) != 1 {
			t.Fatalf("subscriptions %+v", topic.Subscriptions)
		}
		if got := sub.Rules[0].Properties.SqlFilter.SqlExpression; plain(got) != plain(filter) {
			t.Errorf("the filter of %s is %s, the stand-in's is %s", name, got, filter)
		}
	}
	if !strings.Contains(plain(page(t, "docs/events.md")), plain(filter)) {
		t.Error("docs/events.md does not show the filter of failures")
	}
}

// What the image copies is there, and every function's folder goes beside host.json.
func TestDockerfileCopiesWhatIsThere(t *testing.T) {
	atTop(t)
	text := page(t, "Dockerfile")
	for _, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != "COPY" {
			continue
		}
		for _, w := range words[1 : len(words)-1] {
			if strings.HasPrefix(w, "--") || strings.HasPrefix(w, "/") {
				continue
			}
			if _, err := os.Stat(filepath.FromSlash(w)); err != nil {
				t.Errorf("the Dockerfile copies %s, which is not there", w)
			}
		}
	}
	for _, want := range []string{"COPY functions/ ./", "host.json ./", "ARG SQLPACKAGE_SHA256\n", "FUNCTIONS_WORKER_RUNTIME=custom", "/opt/sqlpackage/sqlpackage /Version"} {
		if !strings.Contains(text, want) {
			t.Errorf("the Dockerfile lacks %q", want)
		}
	}
}
