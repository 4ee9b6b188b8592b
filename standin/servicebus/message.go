package servicebus

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Descriptors of the sections of a message (OASIS AMQP 1.0, part 3).
const (
	sectionHeader                = 0x70
	sectionDeliveryAnnotations   = 0x71
	sectionMessageAnnotations    = 0x72
	sectionProperties            = 0x73
	sectionApplicationProperties = 0x74
	sectionData                  = 0x75
	sectionSequence              = 0x76
	sectionValue                 = 0x77
	sectionFooter                = 0x78
)

// Places in the properties section.
const (
	propMessageID     = 0
	propTo            = 2
	propSubject       = 3
	propReplyTo       = 4
	propCorrelationID = 5
	propContentType   = 6
	propGroupID       = 10
	propReplyToGroup  = 12
)

// payload is a message as its sender wrote it, cut at the borders of its sections. What the broker has no business in
// (properties to footer) is kept byte for byte.
type payload struct {
	header         fields
	annotations    amqpMap
	properties     fields // decoded for reading; propertiesRaw is what goes out
	propertiesRaw  []byte
	applicationRaw []byte
	bodyRaw        []byte // body and footer
	data           [][]byte
}

// parsePayload cuts an encoded message. data is filled only on demand: it holds the messages of a batch.
func parsePayload(raw []byte, wantData bool) (*payload, error) {
	p := &payload{}
	d := &decoder{buf: raw}
	for d.more() {
		from := d.pos
		section, ok := d.value().(described)
		if d.err != nil {
			break
		}
		if !ok {
			return nil, errors.New("message holds a value that is no section")
		}
		if err := p.add(section, raw[from:d.pos], wantData); err != nil {
			return nil, err
		}
	}
	if d.err != nil {
		return nil, fmt.Errorf("decode a message: %w", d.err)
	}
	return p, nil
}

func (p *payload) add(section described, raw []byte, wantData bool) error {
	list, isList := section.value.([]any)
	entries, isMap := section.value.(amqpMap)
	data, isData := section.value.([]byte)
	code := descriptorCode(section.descriptor)
	fits := true
	switch code {
	case sectionHeader:
		p.header, fits = list, isList
	case sectionDeliveryAnnotations: // meant for the next hop, which is us
		fits = isMap
	case sectionMessageAnnotations:
		p.annotations, fits = entries, isMap
	case sectionProperties:
		p.properties, p.propertiesRaw, fits = list, raw, isList
	case sectionApplicationProperties:
		p.applicationRaw, fits = raw, isMap
	case sectionData:
		if fits = isData; fits && wantData {
			p.data = append(p.data, data)
		}
		p.bodyRaw = append(p.bodyRaw, raw...)
	case sectionSequence, sectionValue, sectionFooter:
		p.bodyRaw = append(p.bodyRaw, raw...)
	default:
		return fmt.Errorf("message section %#02x is unknown", code)
	}
	if !fits {
		return fmt.Errorf("message section %#02x holds a %T", code, section.value)
	}
	return nil
}

// messageID is the sender's id as text, for duplicate detection; "" when it set none.
func (p *payload) messageID() string {
	if id := p.properties.at(propMessageID); id != nil {
		return fmt.Sprint(id)
	}
	return ""
}

// ensureMessageID gives a message without an id one, as the service does: @azure/service-bus cannot settle a message
// that has none ("Failed to stop auto lock renewal - no message ID").
func (p *payload) ensureMessageID() {
	if p.properties.at(propMessageID) != nil {
		return
	}
	if len(p.properties) == 0 {
		p.properties = fields{nil}
	}
	id := newLockToken()
	p.properties[propMessageID] = hex.EncodeToString(id[:])
	p.propertiesRaw = encodeSection(nil, sectionProperties, p.properties)
}

// value is the body of a request or an answer, which is one AMQP value.
func (p *payload) value() any {
	d := &decoder{buf: p.bodyRaw}
	if v, ok := d.value().(described); ok && d.err == nil {
		return v.value
	}
	return nil
}

// application is the application properties, decoded afresh.
func (p *payload) application() amqpMap {
	d := &decoder{buf: p.applicationRaw}
	if v, ok := d.value().(described); ok && d.err == nil {
		m, _ := v.value.(amqpMap)
		return m
	}
	return nil
}

// timeToLive is 0 when the sender set none.
func (p *payload) timeToLive() time.Duration {
	ms, _ := p.header.at(2).(uint32)
	return time.Duration(ms) * time.Millisecond
}

// scheduledFor is the time in the annotation that both ways of scheduling use; zero when there is none.
func (p *payload) scheduledFor() time.Time {
	at, _ := p.annotations.get("x-opt-scheduled-enqueue-time").(time.Time)
	return at
}

func newLockToken() (u uuid) {
	_, _ = rand.Read(u[:]) // never fails, says crypto/rand
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return u
}

// dotNetOrder swaps a UUID between the order of RFC 4122 and that of .NET's Guid, and back. Delivery tags carry the lock
// token in .NET order, $management requests in the order of the RFC.
func dotNetOrder(u uuid) uuid {
	u[0], u[1], u[2], u[3] = u[3], u[2], u[1], u[0]
	u[4], u[5], u[6], u[7] = u[5], u[4], u[7], u[6]
	return u
}
