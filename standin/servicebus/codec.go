package servicebus

// AMQP 1.0 types without a Go counterpart (OASIS AMQP 1.0, part 1). Every other AMQP type is the Go type of the same
// width: ubyte is uint8, timestamp is time.Time in UTC, list is []any, binary is []byte.
type (
	symbol   string
	char     uint32
	uuid     [16]byte
	mapEntry struct{ key, value any }
	// amqpMap keeps the order and the key types of the peer, because what a sender wrote is handed on as it was.
	amqpMap []mapEntry
	array   struct {
		code  byte // constructor of the elements, always the widest of its type
		elems []any
	}
	described struct{ descriptor, value any }
)

// get finds a key that is a string or a symbol; both occur, depending on the client.
func (m amqpMap) get(key string) any {
	for _, e := range m {
		if text(e.key) == key {
			return e.value
		}
	}
	return nil
}

// withString returns m with a string key set; an entry of that name keeps its place.
func (m amqpMap) withString(key string, v any) amqpMap { return m.with(key, key, v) }

// withSymbol is withString for annotations, whose keys are symbols.
func (m amqpMap) withSymbol(key string, v any) amqpMap { return m.with(key, symbol(key), v) }

func (m amqpMap) with(name string, key, v any) amqpMap {
	for i, e := range m {
		if text(e.key) == name {
			m[i].value = v
			return m
		}
	}
	return append(m, mapEntry{key, v})
}

// text is the string in a string or symbol, and "" for anything else.
func text(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case symbol:
		return string(x)
	}
	return ""
}

// fields is the body of a performative or of a described list. AMQP leaves trailing nulls out, so a missing field and a
// null one are the same.
type fields []any

func (f fields) at(i int) any {
	if i < len(f) {
		return f[i]
	}
	return nil
}

func (f fields) uint32(i int, otherwise uint32) uint32 {
	switch x := f.at(i).(type) {
	case uint32:
		return x
	case uint16:
		return uint32(x)
	}
	return otherwise
}

func (f fields) flag(i int) bool { b, _ := f.at(i).(bool); return b }

// describedList opens a described list such as a source, an error or a delivery state.
func describedList(v any) (code uint64, f fields) {
	d, ok := v.(described)
	if !ok {
		return 0, nil
	}
	l, _ := d.value.([]any)
	return descriptorCode(d.descriptor), l
}

// descriptorCode reads both spellings of a descriptor, as AMQP leaves the choice to the sender.
func descriptorCode(v any) uint64 {
	switch x := v.(type) {
	case uint64:
		return x
	case symbol:
		return symbolicDescriptor(x)
	}
	return 0
}

func symbolicDescriptor(s symbol) uint64 {
	switch s {
	case "amqp:header:list":
		return sectionHeader
	case "amqp:delivery-annotations:map":
		return sectionDeliveryAnnotations
	case "amqp:message-annotations:map":
		return sectionMessageAnnotations
	case "amqp:properties:list":
		return sectionProperties
	case "amqp:application-properties:map":
		return sectionApplicationProperties
	case "amqp:data:binary":
		return sectionData
	case "amqp:amqp-sequence:list":
		return sectionSequence
	case "amqp:amqp-value:*":
		return sectionValue
	case "amqp:footer:map":
		return sectionFooter
	case "amqp:accepted:list":
		return outcomeAccepted
	case "amqp:rejected:list":
		return outcomeRejected
	case "amqp:released:list":
		return outcomeReleased
	case "amqp:modified:list":
		return outcomeModified
	}
	return 0
}

// elements are the values of an array or of a list: clients send either where the service reads several tokens.
func elements[T any](v any) []T {
	var values []any
	switch x := v.(type) {
	case array:
		values = x.elems
	case []any:
		values = x
	}
	out := make([]T, 0, len(values))
	for _, e := range values {
		if t, ok := e.(T); ok {
			out = append(out, t)
		}
	}
	return out
}
