package conformance_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// eventSchema is one schema of docs/event.v1.schema.json, with the words of draft 2020-12 that it uses.
type eventSchema struct {
	Ref                  string `json:"$ref"`
	Type, Const, Format  string
	Enum, Required       []string
	Pattern              string
	Minimum              *float64
	MaxLength            int
	Properties           map[string]eventSchema
	AdditionalProperties *bool
	Items                *eventSchema
	Defs                 map[string]eventSchema `json:"$defs"`
	Schema               string                 `json:"$schema"`
	Title, Description   string
}

func readEventSchema(t *testing.T) (s eventSchema) {
	t.Helper()
	if err := bacvault.DecodeStrict([]byte(page(t, "docs/event.v1.schema.json")), &s); err != nil {
		t.Fatalf("the schema uses a word that this test does not know: %v", err)
	}
	if s.Schema != "https://json-schema.org/draft/2020-12/schema" {
		t.Errorf("the schema is of %q", s.Schema)
	}
	return s
}

const proofFile = "proof.v1.schema.json"

// at follows a reference within the page. One to the proof's schema is given back as it is.
func (s eventSchema) at(t *testing.T, root eventSchema) eventSchema {
	t.Helper()
	name, ok := strings.CutPrefix(s.Ref, "#/$defs/")
	if !ok {
		return s
	}
	d, ok := root.Defs[name]
	if !ok {
		t.Fatalf("there is no %s", s.Ref)
	}
	return d
}

// holdEvent compares a schema with a type, all the way down: the same fields, the same ones required. Unlike a manifest's, the
// schema lets further fields pass, for readers are to ignore them.
func holdEvent(t *testing.T, at string, s, root eventSchema, typ reflect.Type) {
	t.Helper()
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if typ == reflect.TypeFor[bacvault.Proof]() {
		if s.Ref != proofFile { // which TestSchemasAreThoseOfTheStructs holds
			t.Errorf("%s: the proof has a schema of its own", at)
		}
		return
	}
	s = s.at(t, root)
	isTime := typ == reflect.TypeFor[time.Time]() || typ == reflect.TypeFor[bacvault.Slot]()
	want := map[reflect.Kind]string{
		reflect.Int: "integer", reflect.Int64: "integer", reflect.Bool: "boolean", reflect.String: "string", reflect.Slice: "array", reflect.Struct: "object",
	}[typ.Kind()]
	switch {
	case isTime:
		want = "string"
	case typ == reflect.TypeFor[json.RawMessage]():
		want = "" // anything
	case s.Const != "":
		want = ""
	}
	if s.Type != want || isTime != (s.Format == "date-time") {
		t.Errorf("%s: type %q, format %q in the schema, %s in the code", at, s.Type, s.Format, typ)
		return
	}
	switch want {
	case "array":
		holdEvent(t, at+"[]", *s.Items, root, typ.Elem())
	case "object":
		if s.AdditionalProperties != nil {
			t.Errorf("%s: the schema does not let unknown fields pass", at)
		}
		var all, required, documented []string
		for _, f := range tags(typ) {
			all = append(all, f.name)
			if !f.optional {
				required = append(required, f.name)
			}
			if sub, ok := s.Properties[f.name]; ok {
				holdEvent(t, at+"."+f.name, sub, root, f.typ)
			}
		}
		for name := range s.Properties {
			documented = append(documented, name)
		}
		same(t, at, documented, all)
		same(t, at+", required", s.Required, required)
	}
}

func TestEventSchemaIsThatOfTheStruct(t *testing.T) {
	atTop(t)
	s := readEventSchema(t)
	holdEvent(t, "event", s, s, reflect.TypeFor[bacvault.Event]())
	var types []string
	for _, value := range constants(t, "internal/bacvault/event.go") {
		if strings.HasSuffix(value, ".v1") {
			types = append(types, value)
		}
	}
	same(t, "the schema's types", s.Properties["type"].Enum, types)
	var kinds []string
	for _, c := range []bacvault.Class{bacvault.Retry, bacvault.Refused, bacvault.Terminal, bacvault.Rejected} {
		kinds = append(kinds, string(c))
	}
	same(t, "the schema's classes", s.Defs["failure"].Properties["class"].Enum, kinds)
	for _, c := range bacvault.Codes() {
		if p := s.Defs["failure"].Properties["code"].Pattern; !regexp.MustCompile(p).MatchString(string(c)) {
			t.Errorf("the code %s is not of the form %s", c, p)
		}
	}
}

// valid says what of a document the schema refuses.
func valid(t *testing.T, at string, s, root eventSchema, v any) (faults []string) {
	t.Helper()
	s = s.at(t, root)
	bad := func(format string, args ...any) { faults = append(faults, at+": "+fmt.Sprintf(format, args...)) }
	if s.Const != "" && v != s.Const {
		bad("%v is not %s", v, s.Const)
	}
	switch x := v.(type) {
	case map[string]any:
		if s.Type != "" && s.Type != "object" {
			bad("an object where %s must be", s.Type)
		}
		for _, name := range s.Required {
			if _, ok := x[name]; !ok {
				bad("%s is missing", name)
			}
		}
		for name, sub := range s.Properties {
			if value, ok := x[name]; ok {
				faults = append(faults, valid(t, at+"."+name, sub, root, value)...)
			}
		}
	case []any:
		if s.Type != "" && s.Type != "array" {
			bad("a list where %s must be", s.Type)
		}
		for i, value := range x {
			if s.Items != nil {
				faults = append(faults, valid(t, fmt.Sprintf("%s[%d]", at, i), *s.Items, root, value)...)
			}
		}
	case string:
		_, terr := time.Parse(time.RFC3339Nano, x)
		if s.Type != "" && s.Type != "string" || s.Enum != nil && !slices.Contains(s.Enum, x) || s.Format == "date-time" && terr != nil ||
			s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(x) || s.MaxLength > 0 && len(x) > s.MaxLength {
			bad("%q", x)
		}
	case float64:
		whole := x == float64(int64(x))
		if s.Type != "" && s.Type != "number" && (s.Type != "integer" || !whole) || s.Minimum != nil && x < *s.Minimum {
			bad("%v", x)
		}
	case bool:
		if s.Type != "" && s.Type != "boolean" {
			bad("%v where %s must be", x, s.Type)
		}
	default:
		bad("%v", v)
	}
	return faults
}

// Each type has one example, which the schema takes.
func TestEventExamplesAreOneOfEachType(t *testing.T) {
	atTop(t)
	s := readEventSchema(t)
	var shown []string
	for _, doc := range examples(t, "docs/events.md") {
		var v map[string]any
		if err := json.Unmarshal([]byte(doc), &v); err != nil {
			t.Fatal(err)
		}
		typ := fmt.Sprint(v["type"])
		shown = append(shown, typ)
		for _, fault := range valid(t, typ, s, s, v) {
			t.Error(fault)
		}
	}
	slices.Sort(shown)
	if compact := slices.Compact(slices.Clone(shown)); len(compact) != len(shown) {
		t.Errorf("a type has two examples: %v", shown)
	}
	same(t, "examples", shown, s.Properties["type"].Enum)
	for name, doc := range map[string]string{
		"a type of nobody": `{"type":"x"}`, "a number for a word": `{"subject":7}`, "no time": `{"time":"yesterday"}`,
		"a failure without a code": `{"data":{"failure":{}}}`, "half a row": `{"data":{"tables":[{"schema":"a","table":"b","rowsSource":0.5}]}}`,
	} {
		var v map[string]any
		if err := json.Unmarshal([]byte(doc), &v); err != nil {
			t.Fatal(err)
		}
		open := s
		open.Required = nil
		if len(valid(t, name, open, s, v)) == 0 {
			t.Errorf("the schema takes %s", name)
		}
	}
}

// The query for silence reads what the handler writes.
func TestSilenceQueryReadsTheHandlersLine(t *testing.T) {
	atTop(t)
	query, _, ok := strings.Cut(section(t, page(t, "docs/events.md"), "## Alert on silence"), "Without Log Analytics")
	if !ok || !strings.Contains(query, "**Not run") {
		t.Fatal("the page does not say that the query was not run")
	}
	log := page(t, "handler/log.go")
	for _, c := range []struct{ query, log string }{
		{`"event published"`, `Info("event published")`}, {"line.event", `"event": e.Type`}, {"line.subject", `"subject": e.Subject`},
		{`"` + string(bacvault.BackupCompleted) + `"`, ""},
	} {
		if !strings.Contains(query, c.query) || !strings.Contains(log, c.log) {
			t.Errorf("the query says %s, the log %s", c.query, c.log)
		}
	}
}
