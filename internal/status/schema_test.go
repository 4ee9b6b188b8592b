package status_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/status"
)

type schema struct {
	Type       string            `json:"type"`
	Const      string            `json:"const"`
	Enum       []string          `json:"enum"`
	Format     string            `json:"format"`
	Properties map[string]schema `json:"properties"`
	Required   []string          `json:"required"`
	Additional *bool             `json:"additionalProperties"`
	Items      *schema           `json:"items"`
}

func readSchema(t *testing.T) (s schema) {
	t.Helper()
	b, err := os.ReadFile("../../docs/status.v1.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// hold compares a schema with a type: the same fields, the same ones required, all the way down.
func hold(t *testing.T, at string, s schema, typ reflect.Type) {
	t.Helper()
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	want := map[reflect.Kind]string{
		reflect.Int: "integer", reflect.Int64: "integer", reflect.Float64: "number", reflect.Bool: "boolean", reflect.String: "string", reflect.Slice: "array", reflect.Struct: "object",
	}[typ.Kind()]
	isTime := typ == reflect.TypeFor[time.Time]() || typ == reflect.TypeFor[bacvault.Slot]()
	if isTime {
		want = "string"
	}
	if s.Type != want || isTime != (s.Format == "date-time") {
		t.Errorf("%s: type %q, format %q in the schema, %s in the code", at, s.Type, s.Format, typ)
		return
	}
	switch want {
	case "array":
		hold(t, at+"[]", *s.Items, typ.Elem())
	case "object":
		if s.Additional == nil || *s.Additional {
			t.Errorf("%s: the schema lets unknown fields pass", at)
		}
		var all, required []string
		fields(typ, func(name string, optional bool, typ reflect.Type) {
			all = append(all, name)
			if !optional {
				required = append(required, name)
			}
			hold(t, at+"."+name, s.Properties[name], typ)
		})
		same(t, at, slices.Collect(maps.Keys(s.Properties)), all)
		same(t, at+", required", s.Required, required)
	}
}

// fields are those that encoding/json sees.
func fields(typ reflect.Type, do func(name string, optional bool, typ reflect.Type)) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			fields(f.Type, do)
			continue
		}
		do(name, strings.Contains(opts, "omitempty"), f.Type)
	}
}

func same(t *testing.T, at string, documented, real []string) {
	t.Helper()
	slices.Sort(documented)
	slices.Sort(real)
	if !slices.Equal(documented, real) {
		t.Errorf("%s: the schema has %v, the code %v", at, documented, real)
	}
}

func TestSchemaIsThatOfTheDocument(t *testing.T) {
	s := readSchema(t)
	if got := s.Properties["schema"].Const; got != status.Schema {
		t.Errorf("the schema is for %q", got)
	}
	hold(t, "status", s, reflect.TypeFor[status.Document]())
}

// check validates a document, as far as the schema uses the language.
func check(at string, s schema, v any) error {
	switch v := v.(type) {
	case map[string]any:
		if s.Type != "object" {
			return fmt.Errorf("%s is an object", at)
		}
		for _, name := range s.Required {
			if _, ok := v[name]; !ok {
				return fmt.Errorf("%s lacks %s", at, name)
			}
		}
		for name, x := range v {
			sub, ok := s.Properties[name]
			if !ok {
				return fmt.Errorf("%s has %s", at, name)
			}
			if err := check(at+"."+name, sub, x); err != nil {
				return err
			}
		}
	case []any:
		if s.Type != "array" {
			return fmt.Errorf("%s is a list", at)
		}
		for i, x := range v {
			if err := check(fmt.Sprintf("%s[%d]", at, i), *s.Items, x); err != nil {
				return err
			}
		}
	case string:
		_, terr := time.Parse(time.RFC3339, v)
		if s.Type != "string" || s.Const != "" && s.Const != v || s.Enum != nil && !slices.Contains(s.Enum, v) || s.Format == "date-time" && terr != nil {
			return fmt.Errorf("%s is %q", at, v)
		}
	case float64:
		if s.Type != "number" && (s.Type != "integer" || v != float64(int64(v))) {
			return fmt.Errorf("%s is %v", at, v)
		}
	case bool:
		if s.Type != "boolean" {
			return fmt.Errorf("%s is %v", at, v)
		}
	default:
		return fmt.Errorf("%s is %v", at, v)
	}
	return nil
}

func TestDocumentsAreValid(t *testing.T) {
	s := readSchema(t)
	stale := good()
	stale.Snapshot.At = now.Add(-time.Hour)
	direct := good()
	direct.Source = status.Direct
	for name, in := range map[string]status.Input{"good": good(), "full": full(), "nothing": {Source: status.Direct}, "stale": stale, "direct": direct} {
		t.Run(name, func(t *testing.T) {
			b, err := status.New(in).JSON()
			if err != nil {
				t.Fatal(err)
			}
			var v any
			if err := json.Unmarshal(b, &v); err != nil {
				t.Fatal(err)
			}
			if err := check("status", s, v); err != nil {
				t.Error(err)
			}
			v.(map[string]any)["verdict"] = "fine"
			if check("status", s, v) == nil {
				t.Error("a verdict that is none is valid")
			}
		})
	}
}
