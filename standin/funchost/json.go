package funchost

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// object is a JSON object that keeps the order of its members, as Json.NET writes a .NET object or dictionary.
type object []member

type member struct {
	key string
	val string // JSON
}

func (o *object) add(key, jsonText string) { *o = append(*o, member{key, jsonText}) }

// set overwrites a member of the same name in any case, as the host's binding data dictionary does, or appends one. The name
// keeps the case that it came with first.
func (o *object) set(key, jsonText string) {
	for i := range *o {
		if strings.EqualFold((*o)[i].key, key) {
			(*o)[i].val = jsonText
			return
		}
	}
	o.add(key, jsonText)
}

func (o object) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quote(m.key))
		b.WriteByte(':')
		b.WriteString(m.val)
	}
	b.WriteByte('}')
	return b.String()
}

// quote is a JSON string as Json.NET escapes it by default: neither HTML characters nor other non-ASCII text.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(s, string(utf8.RuneError)) {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\b':
			b.WriteString(`\b`)
		case r == '\f':
			b.WriteString(`\f`)
		case r < ' ' || r == 0x85 || r == 0x2028 || r == 0x2029:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// twice is how the host sends a string, number or boolean: its JSON text, once more as a JSON string.
func twice(s string) string { return quote(quote(s)) }

func twiceInt(n int64) string { return quote(strconv.FormatInt(n, 10)) }

func encodeBytes(b []byte) string { return quote(base64.StdEncoding.EncodeToString(b)) }

// encodeDateTime is a .NET DateTime after the host sent it through ToString and Parse: no fraction, no zone.
func encodeDateTime(t time.Time) string { return quote(t.UTC().Format("2006-01-02T15:04:05")) }

func encodeDateTimeOffset(t time.Time) string {
	return quote(t.UTC().Format("2006-01-02T15:04:05-07:00"))
}

// dotnetTime is a time inside an object: ticks of 100 ns, trailing zeros cut. zone is "Z" for a UTC DateTime and "+00:00" for
// the local one of a host that runs in UTC.
func dotnetTime(t time.Time, zone string) string {
	t = t.UTC()
	s := t.Format("2006-01-02T15:04:05")
	if ticks := t.Nanosecond() / 100; ticks > 0 {
		s += "." + strings.TrimRight(fmt.Sprintf("%07d", ticks), "0")
	}
	return quote(s + zone)
}

// reprint writes a JSON text as Json.NET does after parsing it: no white space, its own escapes, the last of members that
// have the same name.
func reprint(raw []byte) (string, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	s, err := reprintNext(d)
	if err != nil {
		return "", err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "", errors.New("text after the JSON value")
	}
	return s, nil
}

func reprintNext(d *json.Decoder) (string, error) {
	t, err := d.Token()
	if err != nil {
		return "", err
	}
	switch v := t.(type) {
	case json.Delim:
		return reprintContainer(d, v)
	case string:
		return quote(v), nil
	case json.Number:
		return v.String(), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "null", nil
}

func reprintContainer(d *json.Decoder, open json.Delim) (string, error) {
	var fields object
	var items []string
	for d.More() {
		key := ""
		if open == '{' {
			t, err := d.Token()
			if err != nil {
				return "", err
			}
			key, _ = t.(string)
		}
		val, err := reprintNext(d)
		if err != nil {
			return "", err
		}
		fields, items = append(fields, member{key, val}), append(items, val)
	}
	if _, err := d.Token(); err != nil {
		return "", err
	}
	if open == '[' {
		return "[" + strings.Join(items, ",") + "]", nil
	}
	return fields.String(), nil
}

// members reads the top level of a JSON object in its order.
func members(raw []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	var out []member
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		var val json.RawMessage
		if err := d.Decode(&val); err != nil {
			return nil, err
		}
		key, _ := t.(string)
		out = append(out, member{key, string(val)})
	}
	_, err := d.Token()
	return out, err
}

// scalarText is a JSON scalar as .NET turns it into a string: True, 2, a date in the invariant culture.
func scalarText(raw string) (string, error) {
	d := json.NewDecoder(strings.NewReader(raw))
	d.UseNumber()
	t, err := d.Token()
	if err != nil {
		return "", err
	}
	switch v := t.(type) {
	case bool:
		return map[bool]string{true: "True", false: "False"}[v], nil
	case json.Number:
		return v.String(), nil
	case string:
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05"} {
			if t, err := time.Parse(layout, v); err == nil {
				return t.UTC().Format("01/02/2006 15:04:05"), nil
			}
		}
		return v, nil
	}
	return "", fmt.Errorf("%s is no scalar", raw)
}
