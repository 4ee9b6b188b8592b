package servicebus

import (
	"fmt"
	"slices"
)

// filter says whether a subscription takes a message.
type filter interface{ matches(p *payload) bool }

// newFilter reads a subscription's rule, and refuses what it cannot evaluate.
func newFilter(s Subscription) (filter, error) {
	switch {
	case s.SQL != "" && len(s.Correlation) > 0:
		return nil, fmt.Errorf("subscription %q has an SQL and a correlation filter", s.Name)
	case s.SQL != "":
		f, err := parseSQL(s.SQL)
		if err != nil {
			return nil, fmt.Errorf("subscription %q: SQL filter: %w", s.Name, err)
		}
		return f, nil
	case len(s.Correlation) > 0:
		return correlation(s.Correlation), nil
	}
	return everything{}, nil
}

type everything struct{}

func (everything) matches(*payload) bool { return true }

// correlation compares application properties for equality, all of them.
type correlation map[string]string

func (c correlation) matches(p *payload) bool {
	app := p.application()
	for key, want := range c {
		if got, ok := app.get(key).(string); !ok || got != want {
			return false
		}
	}
	return true
}

type allOf []filter

func (fs allOf) matches(p *payload) bool {
	return !slices.ContainsFunc(fs, func(f filter) bool { return !f.matches(p) })
}

type anyOf []filter

func (fs anyOf) matches(p *payload) bool {
	return slices.ContainsFunc(fs, func(f filter) bool { return f.matches(p) })
}

// constant is a comparison of two literals, such as the 1=1 of the rule that a subscription has by default.
type constant bool

func (c constant) matches(*payload) bool { return bool(c) }

// comparison holds when the property is there and is (or, with not, is not) one of the values. A property that is missing
// makes it unknown, not true: also for <>, as the service has it.
type comparison struct {
	property property
	values   []any
	not      bool
}

func (c comparison) matches(p *payload) bool {
	got := normal(c.property(p))
	if got == nil || !sameKind(got, c.values) {
		return false
	}
	return slices.Contains(c.values, got) != c.not
}

func sameKind(got any, values []any) bool {
	return slices.ContainsFunc(values, func(v any) bool { return fmt.Sprintf("%T", v) == fmt.Sprintf("%T", got) })
}

// property reads one value off a message.
type property func(*payload) any

func userProperty(name string) property {
	return func(p *payload) any { return p.application().get(name) }
}

// systemProperty knows the properties of the message that can be told from the AMQP properties section.
func systemProperty(name string) (property, bool) {
	at := func(i int) property { return func(p *payload) any { return p.properties.at(i) } }
	switch name {
	case "MessageId":
		return at(propMessageID), true
	case "To":
		return at(propTo), true
	case "Label", "Subject":
		return at(propSubject), true
	case "ReplyTo":
		return at(propReplyTo), true
	case "CorrelationId":
		return at(propCorrelationID), true
	case "ContentType":
		return at(propContentType), true
	case "SessionId":
		return at(propGroupID), true
	case "ReplyToSessionId":
		return at(propReplyToGroup), true
	}
	return nil, false
}

// normal brings a value to one of string, int64 and bool, the kinds of literals; anything else is nil and never compares.
func normal(v any) any {
	switch x := v.(type) {
	case string, bool, int64:
		return x
	case symbol:
		return string(x)
	case int8:
		return int64(x)
	case int16:
		return int64(x)
	case int32:
		return int64(x)
	case uint8:
		return int64(x)
	case uint16:
		return int64(x)
	case uint32:
		return int64(x)
	}
	return nil
}
