package funchost

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestTheAppsOwnFilesLoad(t *testing.T) {
	root := t.TempDir()
	host, err := os.ReadFile("../../host.json")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(root, "host.json"), string(host))
	if err := os.CopyFS(root, os.DirFS("../../functions")); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"ServiceBusConnection__fullyQualifiedNamespace": "x.servicebus.windows.net"}
	for _, name := range settingsNamedIn(t, root) {
		env[name] = "0 0 2 * * *" // schedules are all that the files take from settings
	}
	c, err := loadHostJSON(root, env)
	if err != nil {
		t.Fatal(err)
	}
	if c.bus.autoComplete || c.bus.maxCalls != 1 || c.bus.maxRenewal < 24*time.Hour || c.functionTimeout != 0 || c.executable != "handler" || !c.hasBundle {
		t.Errorf("host.json is %+v", c)
	}
	fns, errs := loadFunctions(root, c, newSettings(env))
	for _, err := range errs {
		t.Error(err)
	}
	got := map[string]string{}
	for _, f := range fns {
		got[f.name] = f.trigger.Type + " " + f.trigger.entity()
		// The host settles for the one function that settles nothing itself.
		if f.is("serviceBusTrigger") && (f.trigger.complete != (f.name == "notify") || f.trigger.DataType != "binary") {
			t.Errorf("%s completes by itself: %t, its dataType is %q", f.name, f.trigger.complete, f.trigger.DataType)
		}
		retried := f.retry.max > 0 && f.retry.delay > 0 || f.name == "watch" // which looks again in a quarter of an hour
		if f.is("timerTrigger") && (!f.trigger.monitored || f.trigger.startup || !retried) {
			t.Errorf("%s: %+v, retry %+v", f.name, f.trigger, f.retry)
		}
	}
	for name, want := range map[string]string{"backup": "serviceBusTrigger backup-requests", "nightly": "timerTrigger ",
		"restore": "serviceBusTrigger restore-requests", "status": "httpTrigger ",
		"notify": "serviceBusTrigger backup-events/Subscriptions/notify"} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

// settingsNamedIn lists the %NAME%s in the function.json files below root.
func settingsNamedIn(t *testing.T, root string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "*", "function.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d function.json files, %v", len(files), err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range reference.FindAllSubmatch(text, -1) {
			names = append(names, string(m[1]))
		}
	}
	return names
}

const minimalHost = `{"version":"2.0","customHandler":{"description":{"defaultExecutablePath":"h"}}}`

func TestHostJSONDefaultsAndOverrides(t *testing.T) {
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "host.json"), minimalHost)
	c, err := loadHostJSON(root, nil)
	if err != nil || !c.bus.autoComplete || c.bus.maxCalls != 16*runtime.NumCPU() || c.bus.maxRenewal != 5*time.Minute || c.functionTimeout != 30*time.Minute || c.routePrefix != "api" || !c.stderrIsError {
		t.Errorf("defaults %+v, %v", c, err)
	}
	c, err = loadHostJSON(root, map[string]string{
		"AzureFunctionsJobHost__functionTimeout":                                    "-1",
		"azurefunctionsjobhost__Extensions__ServiceBus__maxConcurrentCalls":         "2",
		"AzureFunctionsJobHost__extensions__serviceBus__maxAutoLockRenewalDuration": "-00:00:00.0010000",
		"AzureFunctionsJobHost__extensions__http__routePrefix":                      "",
		"AzureFunctionsJobHost__customHandler__description__workingDirectory":       "%WD%/x",
		"AzureFunctionsJobHost__customHandler__description__defaultexecutablepath":  "%EXE%",
		"EXE": "bin/h",
	})
	if err != nil || c.functionTimeout != 0 || c.bus.maxCalls != 2 || c.bus.maxRenewal >= 0 || c.routePrefix != "" || c.workingDir != "/x" || c.executable != "bin/h" {
		t.Errorf("overridden %+v, %v", c, err)
	}
}

func TestHostJSONIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"version":    {strings.Replace(minimalHost, "2.0", "1.0", 1), "version 2.0"},
		"no handler": {`{"version":"2.0"}`, "defaultExecutablePath"},
		"forwarding": {strings.Replace(minimalHost, `"description"`, `"enableForwardingHttpRequest":true,"description"`, 1), "envelope only"},
		"24 days":    {strings.Replace(minimalHost, `"version"`, `"functionTimeout":"24:00:00","version"`, 1), "24 days"},
		"no JSON":    {"{", "read host.json"},
		"no number":  {strings.Replace(minimalHost, `"version"`, `"extensions":{"serviceBus":{"maxConcurrentCalls":"x"}},"version"`, 1), "no integer"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			writeFile(t, filepath.Join(root, "host.json"), c.text)
			if _, err := loadHostJSON(root, nil); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestTimeSpans(t *testing.T) {
	for text, want := range map[string]time.Duration{"00:05:00": 5 * time.Minute, "1.12:00:00": 36 * time.Hour, "-00:00:00.0010000": -time.Millisecond, "00:00:00.80": 800 * time.Millisecond} {
		if got, err := parseTimeSpan(text); got != want || err != nil {
			t.Errorf("%s is %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "24:00:00", "00:60:00", "00:00", "1d"} {
		if got, err := parseTimeSpan(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func queueJSON(members string) string {
	return `{"bindings":[{"type":"serviceBusTrigger","direction":"in","name":"m","queueName":"q","connection":"C"` + members + `}]}`
}

func TestFunctionsInErrorAreLeftOut(t *testing.T) {
	timer := `{"bindings":[{"type":"timerTrigger","direction":"in","name":"t","schedule":"%S%"}]}`
	for name, c := range map[string]struct{ folder, text, want string }{
		"unset setting":    {"a", timer, "'%S%' does not resolve"},
		"bad name":         {"1a", timer, "not a valid function name"},
		"host":             {"host", timer, "not a valid function name"},
		"binding name":     {"a", strings.Replace(timer, `"t"`, `"t-t"`, 1), "binding name"},
		"no trigger":       {"a", `{"bindings":[{"type":"http","direction":"out","name":"res"}]}`, "no trigger"},
		"two triggers":     {"a", strings.Replace(timer, "[", `[{"type":"httpTrigger","direction":"in","name":"r"},`, 1), "more than one trigger"},
		"no connection":    {"a", queueJSON(""), "connection 'C' is missing"},
		"unset queue":      {"a", strings.Replace(queueJSON(""), `"q"`, `"%Q%"`, 1), "'%Q%' does not resolve"},
		"stream":           {"a", queueJSON(`,"dataType":"stream"`), "dataType"},
		"many":             {"a", queueJSON(`,"cardinality":"many"`), "cardinality"},
		"sessions":         {"a", queueJSON(`,"isSessionsEnabled":true`), "session"},
		"no subscription":  {"a", strings.Replace(queueJSON(""), `"queueName":"q"`, `"topicName":"t"`, 1), "neither a queueName"},
		"queue and topic":  {"a", queueJSON(`,"topicName":"t","subscriptionName":"s"`), "neither a queueName"},
		"neither":          {"a", strings.Replace(queueJSON(""), `"queueName":"q",`, "", 1), "neither a queueName"},
		"output":           {"a", strings.Replace(timer, "[", `[{"type":"serviceBus","direction":"out","name":"o","queueName":"q"},`, 1), "outputs are not served"},
		"retry on a queue": {"a", strings.TrimSuffix(queueJSON(`,"x":1`), "}") + `,"retry":{}}`, "C' is missing"},
		"unknown type":     {"a", strings.Replace(timer, "timerTrigger", "blobTrigger", 1), "not served"},
		"no JSON":          {"a", "{", "read function.json"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			writeFile(t, filepath.Join(root, c.folder, "function.json"), c.text)
			fns, errs := loadFunctions(root, hostConfig{hasBundle: true}, settings{})
			if len(fns) != 0 || len(errs) != 1 || !strings.Contains(errs[0].Error(), c.want) {
				t.Errorf("%d functions, errors %v, want %q", len(fns), errs, c.want)
			}
		})
	}
}

func TestQueueFunctionNeedsABundleAndTakesNoRetry(t *testing.T) {
	s := newSettings(map[string]string{"c": "Endpoint=sb://x"})
	for _, c := range []struct {
		text   string
		bundle bool
		want   string
	}{
		{queueJSON(""), false, "extension bundle"},
		{strings.TrimSuffix(queueJSON(""), "}") + `,"retry":{"strategy":"fixedDelay"}}`, true, "no retry block"},
	} {
		if _, err := parseFunction("a", []byte(c.text), hostConfig{hasBundle: c.bundle}, s); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
	if f, err := parseFunction("a", []byte(queueJSON("")), hostConfig{hasBundle: true}, s); err != nil || f.bus.connectionString == "" {
		t.Errorf("a valid queue function: %v", err)
	}
}

func TestNestedLayoutIsNotFound(t *testing.T) {
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "functions", "a", "function.json"), `{"bindings":[{"type":"httpTrigger","direction":"in","name":"r"}]}`)
	if fns, errs := loadFunctions(root, hostConfig{}, settings{}); len(fns)+len(errs) != 0 {
		t.Errorf("found %v, %v", fns, errs)
	}
}

func TestSchedules(t *testing.T) {
	from := time.Date(2026, 11, 24, 16, 50, 0, 0, time.UTC) // a Tuesday
	for text, want := range map[string]string{
		"0 0 2 * * *": "2026-11-25T02:00:00Z", "0 2 * * *": "2026-11-25T02:00:00Z", "30 */5 * * * *": "2026-11-24T16:50:30Z",
		"0 0 3 * * Sun": "2026-11-29T03:00:00Z", "0 0 3 * * 0": "2026-11-29T03:00:00Z", "0 0 0 1 Jan *": "2027-01-01T00:00:00Z", "0 0 1-3,5 * * 1-5": "2026-11-25T01:00:00Z",
	} {
		s, err := parseSchedule(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := s.next(from).Format(time.RFC3339); got != want {
			t.Errorf("%s: next is %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "* * *", "0 0 2 ? * *", "0 0 2 L * *", "0 0 2 * * 7", "@daily", "TZ=UTC 0 0 2 * * *", "01:00:00", "0 0 2 1 * Mon", "0 0 2 */2 * Mon", "0 0 2,,3 * * *", "0 0 0 30 2 *", "60 0 0 * * *"} {
		if _, err := parseSchedule(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestRoutes(t *testing.T) {
	for _, c := range []struct {
		template, path string
		ok             bool
		params         []member
	}{
		{"status/{*rest}", "status", true, nil},
		{"status/{*rest}", "status/", true, nil},
		{"status/{*rest}", "Status/a/b%20c.json", true, []member{{"rest", "a/b c.json"}}},
		{"status/{*rest}", "statusx", false, nil},
		{"runs/{id}", "runs/7", true, []member{{"id", "7"}}},
		{"runs/{id}", "runs", false, nil},
		{"runs/{id?}", "runs", true, nil},
		{"runs/{id?}", "runs/7/8", false, nil},
		{"runs", "", false, nil},
	} {
		r, err := parseRoute(c.template)
		if err != nil {
			t.Fatal(err)
		}
		params, ok := r.match(c.path)
		if ok != c.ok || ok && cmp.Diff(c.params, params, cmp.AllowUnexported(member{})) != "" {
			t.Errorf("%s on %s: %v %v", c.path, c.template, params, ok)
		}
	}
	for _, template := range []string{"status{.ext?}", "{id:int}", "{id?}/x", "{*a}/b", "{a}-{b}", "{a=1}"} {
		if _, err := parseRoute(template); err == nil {
			t.Errorf("%s is taken", template)
		}
	}
}

func TestOutputLevels(t *testing.T) {
	for _, c := range []struct {
		stderr, errorsOnly bool
		line, want         string
	}{
		{false, true, "error", "Information"}, {true, true, "anything", "Error"}, {true, true, "a Warning", "Warning"},
		{true, false, "anything", "Information"}, {true, false, "it FAILed", "Error"},
	} {
		if got := outputLevel(c.stderr, c.errorsOnly, c.line); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
