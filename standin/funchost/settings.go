package funchost

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// settings are the app settings. Names are compared without regard to case, as .NET configuration does.
type settings map[string]string

func newSettings(env map[string]string) settings {
	s := settings{}
	for k, v := range env {
		s[strings.ToLower(k)] = v
	}
	return s
}

func (s settings) get(name string) string { return s[strings.ToLower(name)] }

var reference = regexp.MustCompile(`%([^%]*)%`)

// expand resolves %NAME% in a binding's property; an unset name is an error, which the host reports when it indexes the function.
func (s settings) expand(text string) (string, error) {
	var missing []string
	out := reference.ReplaceAllStringFunc(text, func(ref string) string {
		name := strings.Trim(ref, "%")
		v := s.get(name)
		if v == "" {
			missing = append(missing, name)
		}
		return v
	})
	if len(missing) > 0 {
		return "", fmt.Errorf("'%%%s%%' does not resolve to a value", missing[0])
	}
	return out, nil
}

// expandLax is the expansion of customHandler.description, where an unset name becomes nothing.
func (s settings) expandLax(text string) string {
	return reference.ReplaceAllStringFunc(text, func(ref string) string { return s.get(strings.Trim(ref, "%")) })
}

// hostConfig is what this host uses of host.json.
type hostConfig struct {
	executable, workingDir string
	arguments              []string
	stderrIsError          bool
	initTimeout            time.Duration
	functionTimeout        time.Duration // 0 is none
	hasBundle              bool
	routePrefix            string
	bus                    busConfig
}

// busConfig is extensions.serviceBus: one set for all functions.
type busConfig struct {
	maxCalls     int
	autoComplete bool
	maxRenewal   time.Duration // negative is without end
	retries      int32
	delay        time.Duration
	maxDelay     time.Duration
}

// loadHostJSON reads host.json with the AzureFunctionsJobHost__a__b overrides of the app settings.
func loadHostJSON(root string, env map[string]string) (hostConfig, error) {
	text, err := os.ReadFile(filepath.Join(root, "host.json"))
	if err != nil {
		return hostConfig{}, err
	}
	t := tree{doc: map[string]any{}}
	if err := json.Unmarshal(text, &t.doc); err != nil {
		return hostConfig{}, fmt.Errorf("read host.json: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if rest, ok := cutPrefixFold(name, "AzureFunctionsJobHost__"); ok {
			t.override(strings.Split(rest, "__"), env[name])
		}
	}
	c := t.hostConfig(newSettings(env))
	return c, errors.Join(t.errs...)
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

func (t *tree) hostConfig(s settings) hostConfig {
	if v := t.str("", "version"); v != "2.0" {
		t.fail("host.json must declare version 2.0, not %q", v)
	}
	for _, mode := range []string{"enableForwardingHttpRequest", "enableProxyingHttpRequest"} {
		if t.boolean(false, "customHandler", mode) {
			t.fail("customHandler.%s is not served here: this host speaks the envelope only", mode)
		}
	}
	c := hostConfig{
		executable:    s.expandLax(t.str("", "customHandler", "description", "defaultExecutablePath")),
		workingDir:    s.expandLax(t.str("", "customHandler", "description", "workingDirectory")),
		stderrIsError: t.boolean(true, "customHandler", "description", "useStdErrorStreamForErrorsOnly"),
		initTimeout:   t.span(30*time.Second, "customHandler", "initializationTimeout"),
		hasBundle:     t.str("", "extensionBundle", "id") == "Microsoft.Azure.Functions.ExtensionBundle" && t.str("", "extensionBundle", "version") != "",
		routePrefix:   t.str("api", "extensions", "http", "routePrefix"),
		bus: busConfig{
			maxCalls:     t.integer(16*runtime.NumCPU(), "extensions", "serviceBus", "maxConcurrentCalls"),
			autoComplete: t.boolean(true, "extensions", "serviceBus", "autoCompleteMessages"),
			maxRenewal:   t.span(5*time.Minute, "extensions", "serviceBus", "maxAutoLockRenewalDuration"),
			retries:      int32(t.integer(3, "extensions", "serviceBus", "clientRetryOptions", "maxRetries")),
			delay:        t.span(800*time.Millisecond, "extensions", "serviceBus", "clientRetryOptions", "delay"),
			maxDelay:     t.span(time.Minute, "extensions", "serviceBus", "clientRetryOptions", "maxDelay"),
		},
	}
	if list, ok := t.at("customHandler", "description", "arguments").([]any); ok {
		for _, a := range list {
			c.arguments = append(c.arguments, s.expandLax(fmt.Sprint(a)))
		}
	}
	if c.executable == "" {
		t.fail("host.json names no customHandler.description.defaultExecutablePath")
	}
	if c.bus.maxCalls < 1 {
		t.fail("extensions.serviceBus.maxConcurrentCalls must be 1 or more")
	}
	if t.str("", "functionTimeout") != "-1" {
		c.functionTimeout = t.span(30*time.Minute, "functionTimeout")
	}
	return c
}

// tree is a JSON document read by path, without regard to case; overrides from settings are strings, so numbers and booleans
// may be too. Errors gather.
type tree struct {
	doc  map[string]any
	errs []error
}

func (t *tree) fail(format string, args ...any) { t.errs = append(t.errs, fmt.Errorf(format, args...)) }

func keyFold(m map[string]any, key string) string {
	for k := range m {
		if strings.EqualFold(k, key) {
			return k
		}
	}
	return key
}

func (t *tree) override(path []string, value string) {
	m := t.doc
	for _, p := range path[:len(path)-1] {
		next, ok := m[keyFold(m, p)].(map[string]any)
		if !ok {
			next = map[string]any{}
			m[keyFold(m, p)] = next
		}
		m = next
	}
	m[keyFold(m, path[len(path)-1])] = value
}

func (t *tree) at(path ...string) any {
	var v any = t.doc
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[keyFold(m, p)]
	}
	return v
}

func (t *tree) str(def string, path ...string) string {
	if v := t.at(path...); v != nil {
		return fmt.Sprint(v)
	}
	return def
}

func (t *tree) boolean(def bool, path ...string) bool {
	s := t.str("", path...)
	if s == "" {
		return def
	}
	v, err := strconv.ParseBool(strings.ToLower(s))
	if err != nil {
		t.fail("host.json %s: %q is no boolean", strings.Join(path, "."), s)
	}
	return v
}

func (t *tree) integer(def int, path ...string) int {
	s := t.str("", path...)
	if s == "" {
		return def
	}
	v, err := strconv.Atoi(s)
	if err != nil {
		t.fail("host.json %s: %q is no integer", strings.Join(path, "."), s)
	}
	return v
}

func (t *tree) span(def time.Duration, path ...string) time.Duration {
	s := t.str("", path...)
	if s == "" {
		return def
	}
	v, err := parseTimeSpan(s)
	if err != nil {
		t.fail("host.json %s: %w", strings.Join(path, "."), err)
	}
	return v
}

var timeSpan = regexp.MustCompile(`^(-)?(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})(?:\.(\d{1,7}))?$`)

// parseTimeSpan reads [-][d.]hh:mm:ss[.fffffff]. .NET reads "24:00:00" as 24 days; that surprise is refused here.
func parseTimeSpan(s string) (time.Duration, error) {
	m := timeSpan.FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("%q is no time span like 00:05:00 or 1.12:00:00", s)
	}
	n := func(i int) time.Duration { v, _ := strconv.Atoi("0" + m[i]); return time.Duration(v) }
	if n(3) > 23 || n(4) > 59 || n(5) > 59 {
		return 0, fmt.Errorf("time span %q: hours go to 23, minutes and seconds to 59 (.NET reads 24:00:00 as 24 days; write 1.00:00:00)", s)
	}
	ticks, _ := strconv.Atoi((m[6] + "0000000")[:7])
	d := n(2)*24*time.Hour + n(3)*time.Hour + n(4)*time.Minute + n(5)*time.Second + time.Duration(ticks)*100
	if m[1] != "" {
		d = -d
	}
	return d, nil
}
