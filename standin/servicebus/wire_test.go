package servicebus

import (
	"bytes"
	"testing"
	"time"
)

func FuzzValue(f *testing.F) {
	f.Add(encode(nil, amqpMap{{"a", []any{uint8(1), "s", symbol("y"), []byte{1}, 1.5, int32(-4), nil, true, uuid{7}, char('x')}}}))
	f.Add(encode(nil, array{code: 0xb1, elems: []any{"one", "two"}}))
	f.Add([]byte{0xe0, 3, 2, 0x41}) // an array of two bytes' worth of nothing
	f.Fuzz(func(t *testing.T, raw []byte) {
		d := &decoder{buf: raw}
		v := d.value()
		if d.err != nil {
			return
		}
		once := encode(nil, v)
		again := &decoder{buf: once}
		w := again.value()
		if again.err != nil {
			t.Fatalf("%#v is written as %x: %v", v, once, again.err)
		}
		if twice := encode(nil, w); !bytes.Equal(once, twice) {
			t.Fatalf("%x, then %x", once, twice)
		}
	})
}

func FuzzMessage(f *testing.F) {
	m := &message{
		payload:    &payload{bodyRaw: encodeSection(nil, sectionData, []byte("x")), annotations: amqpMap{{symbol("k"), int64(3)}}},
		enqueuedAt: time.Unix(1, 0), lockedUntil: time.Unix(5, 0), deadLetterSource: "q",
		changed: amqpMap{{"a", []any{true, nil, array{code: 0x81, elems: []any{int64(1)}}}}},
	}
	f.Add(m.encode(true))
	f.Add([]byte{0, 0x53, 0x70, 0xc0, 1, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := parsePayload(raw, true)
		if err != nil {
			return
		}
		p.ensureMessageID()
		out := (&message{payload: p}).encode(false)
		q, err := parsePayload(out, true)
		if err != nil {
			t.Fatalf("what the broker writes does not parse: %v", err)
		}
		if !bytes.Equal(p.bodyRaw, q.bodyRaw) || !bytes.Equal(p.applicationRaw, q.applicationRaw) || q.messageID() == "" {
			t.Fatal("body, properties or id changed")
		}
	})
}

func FuzzFrame(f *testing.F) {
	f.Add(appendFrame(nil, frame{channel: 3, code: performFlow, fields: fields{uint32(1), nil, true}, payload: []byte("rest")}))
	f.Add(keepAlive(nil))
	f.Add([]byte{0, 0, 0, 7, 2, 0, 0, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := readFrame(bytes.NewReader(raw))
		if err != nil || got.code == 0 {
			return
		}
		if got.code > 255 { // no performative of AMQP
			return
		}
		again, err := readFrame(bytes.NewReader(appendFrame(nil, got)))
		if err != nil {
			t.Fatal(err)
		}
		if again.code != got.code || again.channel != got.channel || !bytes.Equal(again.payload, got.payload) {
			t.Fatalf("%+v, then %+v", got, again)
		}
	})
}

func FuzzFilter(f *testing.F) {
	f.Add(failuresFilter)
	f.Add("(sys.Label = 'a' OR [b c] NOT IN (1, -2)) AND x <> TRUE")
	p := &payload{properties: fields{"id"}, applicationRaw: encodeSection(nil, sectionApplicationProperties, amqpMap{{"x", true}})}
	f.Fuzz(func(t *testing.T, rule string) {
		if parsed, err := parseSQL(rule); err == nil {
			first := parsed.matches(p)
			if parsed.matches(p) != first {
				t.Fatal("a filter that cannot decide")
			}
		}
	})
}

// Lock tokens travel in two byte orders.
func TestLockTokenOrders(t *testing.T) {
	rfc := uuid{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	net := uuid{0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	if got := dotNetOrder(rfc); got != net {
		t.Fatalf("%x", got)
	}
	if got := dotNetOrder(net); got != rfc {
		t.Fatalf("%x", got)
	}
}

func TestEntityPath(t *testing.T) {
	for in, want := range map[string]string{
		"Backup-Requests":                      "backup-requests",
		"amqps://host:5671/q/$management":      "q/$management",
		"amqp://127.0.0.1/t/Subscriptions/s":   "t/subscriptions/s",
		"sb://host/":                           "",
		"sb://host":                            "",
		"/q/":                                  "q",
		"t/Subscriptions/all/$DeadLetterQueue": "t/subscriptions/all/$deadletterqueue",
	} {
		if got := entityPath(in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

// A descriptor may be spelled as a symbol.
func TestSymbolicDescriptors(t *testing.T) {
	raw := encode(nil, described{symbol("amqp:properties:list"), []any{"id-7"}})
	raw = append(raw, encode(nil, described{symbol("amqp:application-properties:map"), amqpMap{{"k", "v"}}})...)
	raw = append(raw, encode(nil, described{symbol("amqp:amqp-value:*"), "body"})...)
	p, err := parsePayload(raw, false)
	if err != nil {
		t.Fatal(err)
	}
	if p.messageID() != "id-7" || p.application().get("k") != "v" || p.value() != "body" {
		t.Fatalf("%+v", p)
	}
}

// Input that is cut short, lies about its size or nests without end is an error and never a crash.
func TestDecoderRefuses(t *testing.T) {
	for name, raw := range map[string][]byte{
		"nothing":              {},
		"truncated string":     {0xa1, 5, 'a'},
		"truncated long":       {0x81, 0, 0},
		"huge binary":          {0xb0, 0xff, 0xff, 0xff, 0xff},
		"huge count":           {0xd0, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff},
		"longer than its list": {0xc0, 3, 1, 0x40, 0x40},
		"key without value":    {0xc1, 2, 1, 0x40},
		"unknown constructor":  {0x3f},
		"array of described":   {0xe0, 4, 1, 0x00, 0x53, 0x70},
		"nested without end":   bytes.Repeat([]byte{0x00}, 1000),
	} {
		d := &decoder{buf: raw}
		if v := d.value(); d.err == nil {
			t.Errorf("%s: decoded to %#v", name, v)
		}
	}
}
