package conformance_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/config"
	"github.com/bacvault/bacvault/internal/watch"
)

// hostingPages are those for whoever hosts and deploys. Each name, command and figure of ours in them is the code's.
var hostingPages = []string{"docs/hosting.md", "docs/deploying.md", "docs/limits.md", "docs/releasing.md"}

// jsonLeaves flattens a JSON document: path to value.
func jsonLeaves(at string, v any, out map[string]string) {
	if m, ok := v.(map[string]any); ok {
		for k, sub := range m {
			jsonLeaves(strings.TrimPrefix(at+"."+k, "."), sub, out)
		}
		return
	}
	out[at] = fmt.Sprint(v)
}

func hostJSON(t *testing.T) map[string]string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(page(t, "host.json")), &v); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	jsonLeaves("", v, out)
	return out
}

func defaults() map[string]string {
	out := map[string]string{}
	for _, s := range config.Settings() {
		out[s.Name] = s.Default
	}
	return out
}

func TestTimeLimitsAreThoseOfTheHost(t *testing.T) {
	atTop(t)
	host, def := hostJSON(t), defaults()
	var listed, real []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([\\w.]+)`[^|]* \\| `([^`]+)` \\|").FindAllStringSubmatch(section(t, page(t, "docs/hosting.md"), "## Time limits"), -1) {
		listed = append(listed, m[1]+" "+m[2])
		if value, ok := def[m[1]]; ok {
			real = append(real, m[1]+" "+value)
		}
	}
	if len(real) < 3 {
		t.Errorf("only the settings %v are in the table", real)
	}
	for key, value := range host {
		if key == "functionTimeout" || strings.HasPrefix(key, "extensions.") {
			real = append(real, key+" "+value)
		}
	}
	same(t, "time limits", listed, real)

	const renewed = "extensions.serviceBus.maxAutoLockRenewalDuration"
	if is := def["AzureFunctionsJobHost__"+strings.ReplaceAll(renewed, ".", "__")]; is != host[renewed] {
		t.Errorf("config takes the lock to be renewed for %s, host.json says %s", is, host[renewed])
	}
	var days, h, m, s int
	if _, err := fmt.Sscanf(host["extensions.serviceBus.maxAutoLockRenewalDuration"], "%d.%d:%d:%d", &days, &h, &m, &s); err != nil {
		t.Fatal(err)
	}
	renewal := time.Duration(24*days+h)*time.Hour + time.Duration(m)*time.Minute
	run, err := time.ParseDuration(def["BACVAULT_RUN_TIMEOUT"])
	if err != nil || run >= renewal || host["functionTimeout"] != "-1" {
		t.Errorf("a run may take %s, its lock is renewed for %s, functionTimeout is %s; %v", run, renewal, host["functionTimeout"], err)
	}
	if want := fmt.Sprintf("after %.0f hours", renewal.Hours()); !strings.Contains(page(t, "docs/hosting.md"), want) {
		t.Errorf("the page does not say %q", want)
	}
}

// eval gives the value of a constant expression: literals, + * << /, the constants of the same file, and time's units.
func eval(t *testing.T, e ast.Expr, consts map[string]ast.Expr) constant.Value {
	t.Helper()
	switch x := e.(type) {
	case *ast.BasicLit:
		return constant.MakeFromLiteral(x.Value, x.Kind, 0)
	case *ast.ParenExpr:
		return eval(t, x.X, consts)
	case *ast.BinaryExpr:
		a, b := eval(t, x.X, consts), eval(t, x.Y, consts)
		if n, ok := constant.Uint64Val(b); x.Op == token.SHL && ok {
			return constant.Shift(a, x.Op, uint(n))
		}
		return constant.BinaryOp(a, x.Op, b)
	case *ast.Ident:
		if v, ok := consts[x.Name]; ok {
			return eval(t, v, consts)
		}
	case *ast.SelectorExpr:
		if unit, ok := map[string]time.Duration{"Second": time.Second, "Minute": time.Minute, "Hour": time.Hour}[x.Sel.Name]; ok {
			return constant.MakeInt64(int64(unit))
		}
	}
	t.Fatalf("%#v is no constant that this test reads", e)
	return nil
}

// figure is the value of a constant of a file, or of a default that setDefault gives.
func figure(t *testing.T, file, name string) float64 {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	consts := map[string]ast.Expr{}
	ast.Inspect(f, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.ValueSpec:
			if len(x.Values) == 1 {
				consts[x.Names[0].Name] = x.Values[0]
			}
		case *ast.CallExpr:
			if fun, ok := ident(x, true); ok && fun == "setDefault" && len(x.Args) == 2 {
				consts[x.Args[0].(*ast.UnaryExpr).X.(*ast.SelectorExpr).Sel.Name] = x.Args[1]
			}
		}
		return true
	})
	for is, e := range consts {
		if strings.EqualFold(is, name) { // exporting a constant changes no figure
			v, _ := constant.Float64Val(eval(t, e, consts))
			return v
		}
	}
	t.Errorf("%s has no %s", file, name)
	return 0
}

var units = map[string]float64{"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "GB": 1e9, "min": float64(time.Minute), "s": float64(time.Second)}

func TestFiguresOfTheLimitsPageAreThoseOfTheCode(t *testing.T) {
	atTop(t)
	text, def := page(t, "docs/limits.md"), defaults()
	number := regexp.MustCompile(`(\d[\d,]*)(?: (KiB|MiB|GiB|TiB|GB|min|s)\b)?`)
	consts, settings := 0, 0
	for _, m := range regexp.MustCompile("(?m)^\\| ([^|]+) \\| ([^|]+) \\| `([\\w/]+\\.go)` `(\\w+)` \\|$").FindAllStringSubmatch(text, -1) {
		consts++
		n := number.FindStringSubmatch(m[2])
		var said float64
		if _, err := fmt.Sscan(strings.ReplaceAll(n[1], ",", ""), &said); err != nil {
			t.Fatal(err)
		}
		if is := figure(t, m[3], m[4]); said*units[n[2]] != is {
			t.Errorf("%s: the page says %s, %s of %s is %v", m[1], m[2], m[4], m[3], is)
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| ([^|]+) \\| (\\w+)(?: days)? \\| `(BACVAULT_\\w+)` \\|$").FindAllStringSubmatch(text, -1) {
		settings++
		if def[m[3]] != m[2] {
			t.Errorf("%s: the page says %s, the default of %s is %s", m[1], m[2], m[3], def[m[3]])
		}
	}
	if consts < 12 || settings < 8 {
		t.Errorf("only %d constants and %d settings were compared", consts, settings)
	}
	const tool = "internal/sqlpackage/version.go"
	for _, want := range []string{
		"sqlpackage below " + constants(t, tool)["MinVersion"] + " is refused",
		fmt.Sprintf("from %.0f GB", figure(t, "internal/azuresql/preflight.go", "largeDatabase")/1e9),
		"`BACVAULT_MAX_BACKUP_AGE` (" + def["BACVAULT_MAX_BACKUP_AGE"] + ")",
		"Queues: lock 5 minutes, 5 deliveries, duplicates remembered for 10 minutes.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("docs/limits.md does not say %q", want)
		}
	}
	if !strings.Contains(page(t, "standin/servicebus/entities.go"), "LockDuration: 5 * time.Minute, MaxDeliveryCount: 5, DuplicateWindow: 10 * time.Minute") {
		t.Error("the queues are others now: bring docs/limits.md and docs/deploying.md up to it")
	}
	memory, large := figure(t, "e2e/large_test.go", "mostMemory")/1024, figure(t, "e2e/large_test.go", "largeRows")*figure(t, "e2e/large_test.go", "largeBlob")/(1<<30)
	if want := fmt.Sprintf("at most %.0f MiB, measured at an archive of %.0f GiB", memory, large); !strings.Contains(page(t, "docs/hosting.md"), want) {
		t.Errorf("docs/hosting.md does not say %q", want)
	}
}

// How many tables an event lists: the page's own numbers, counted out.
func TestEventsOfManyTablesAreAsLargeAsThePageSays(t *testing.T) {
	atTop(t)
	m := regexp.MustCompile(`names of (\d+) characters a completed backup lists\s+([\d,]+) tables, and of ([\d,]+) not all; for a restore ([\d,]+) fit and ([\d,]+) do not`).FindStringSubmatch(page(t, "docs/limits.md"))
	if m == nil {
		t.Fatal("the page does not say how many tables fit")
	}
	num := func(i int) (n int) {
		if _, err := fmt.Sscan(strings.ReplaceAll(m[i], ",", ""), &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, c := range []struct {
		kind    bacvault.EventType
		tables  int
		restore bool
		fits    bool
	}{
		{bacvault.BackupCompleted, num(2), false, true}, {bacvault.BackupCompleted, num(3), false, false},
		{bacvault.RestoreCompleted, num(4), true, true}, {bacvault.RestoreCompleted, num(5), true, false},
	} {
		rows := int64(1_234_567)
		var d bacvault.EventData
		for i := range c.tables {
			check := bacvault.TableCheck{Table: bacvault.Table{Schema: "dbo", Name: fmt.Sprintf("%0*d", num(1), i)}, Source: &rows, Archive: &rows}
			if c.restore {
				check.Restored = &rows
			}
			d.Tables = append(d.Tables, check)
		}
		e := bacvault.NewEvent(c.kind, strings.Repeat("r", 72), 1, "source", "subject", time.Now(), d)
		if fits := len(e.Data.Tables) == c.tables; fits != c.fits {
			t.Errorf("%s lists %d of %d tables, the page says otherwise", c.kind, len(e.Data.Tables), c.tables)
		}
	}
}

func TestNightOfTheExampleIsTrue(t *testing.T) {
	atTop(t)
	m := regexp.MustCompile(`example (\d+) databases of (\d+) minutes each are .*?In a window of (\d+) hours: .*?so (\d+) instances, which takes (\d+) h (\d+) min`).FindStringSubmatch(strings.ReplaceAll(page(t, "docs/hosting.md"), "\n", " "))
	if m == nil {
		t.Fatal("docs/hosting.md has no example of a night")
	}
	var n [7]int
	for i := range 6 {
		if _, err := fmt.Sscan(m[i+1], &n[i]); err != nil {
			t.Fatal(err)
		}
	}
	took := slices.Repeat([]watch.Took{{Took: time.Duration(n[1]) * time.Minute}}, n[0])
	window := time.Duration(n[2]) * time.Hour
	night := watch.MakePlan(took, nil, n[3], window).Night
	if want := time.Duration(n[4])*time.Hour + time.Duration(n[5])*time.Minute; night != want || night > window {
		t.Errorf("%d instances take %s, the page says %s", n[3], night, want)
	}
	if one := watch.MakePlan(took, nil, n[3]-1, window).Night; one <= window {
		t.Errorf("%d instances are enough: %s", n[3]-1, one)
	}
}
