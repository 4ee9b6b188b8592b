package funchost

import (
	"encoding/base64"
	"io"
	"maps"
	"math"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/google/uuid"
)

// sysData is the Metadata.sys that every invocation carries.
type sysData struct {
	method string
	now    time.Time
	guid   string
}

func (s sysData) json() string {
	return object{{"MethodName", quote(s.method)}, {"UtcNow", dotnetTime(s.now, "Z")}, {"RandGuid", quote(s.guid)}}.String()
}

func envelope(binding, data string, metadata object) []byte {
	d := object{{binding, data}}
	return []byte(object{{"Data", d.String()}, {"Metadata", metadata.String()}}.String())
}

// scheduleStatus is what the host keeps of a timer; in a payload Next is the occurrence that fires.
type scheduleStatus struct {
	Last, Next, LastUpdated time.Time
}

func (s scheduleStatus) json() string {
	return object{{"Last", dotnetTime(s.Last, "+00:00")}, {"Next", dotnetTime(s.Next, "+00:00")},
		{"LastUpdated", dotnetTime(s.LastUpdated, "+00:00")}}.String()
}

// retryContext is the Metadata.RetryContext of the second and later attempts.
type retryContext struct {
	count, max int
	cause      string
}

func timerPayload(binding string, status *scheduleStatus, pastDue bool, sys sysData, retry *retryContext) []byte {
	st := "null"
	if status != nil {
		st = status.json()
	}
	data := object{{"Schedule", `{"AdjustForDST":true}`}, {"ScheduleStatus", st}, {"IsPastDue", strconv.FormatBool(pastDue)}}
	meta := object{{"sys", sys.json()}}
	if retry != nil {
		exc := object{{"ClassName", quote("System.Net.Http.HttpRequestException")}, {"Message", quote(retry.cause)}}
		meta.add("RetryContext", object{{"RetryCount", strconv.Itoa(retry.count)}, {"MaxRetryCount", strconv.Itoa(retry.max)},
			{"Exception", exc.String()}}.String())
	}
	return envelope(binding, data.String(), meta)
}

// busClient is the Metadata.Client of a Service Bus trigger.
type busClient struct{ namespace, identifier string }

func (c busClient) json() string {
	return object{{"FullyQualifiedNamespace", quote(c.namespace)}, {"IsClosed", "false"}, {"TransportType", "0"},
		{"Identifier", quote(c.identifier)}}.String()
}

// queuePayload is the envelope of one message. Metadata keys and their order are those of the extension's
// ServiceBusTriggerBindingStrategy.
func queuePayload(binding string, binary bool, m *azservicebus.ReceivedMessage, client busClient, sys sysData) []byte {
	meta := queueMetadata(m, client)
	meta.add("sys", sys.json())
	if binary {
		return envelope(binding, encodeBytes(m.Body), meta)
	}
	addBindingData(&meta, string(m.Body))
	return envelope(binding, twice(string(m.Body)), meta)
}

func queueMetadata(m *azservicebus.ReceivedMessage, client busClient) object {
	var meta object
	for _, k := range []string{"MessageReceiver", "MessageSession", "MessageActions", "SessionActions", "ReceiveActions"} {
		meta.add(k, "{}")
	}
	meta.add("Client", client.json())
	meta.add("DeliveryCount", twiceInt(int64(m.DeliveryCount)))
	meta.add("LockToken", twice(uuid.UUID(m.LockToken).String()))
	if m.DeadLetterSource != nil {
		meta.add("DeadLetterSource", twice(*m.DeadLetterSource))
	}
	expires := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	// The Go client makes ExpiresAt equal EnqueuedTime when the broker sent no time to live.
	if m.ExpiresAt != nil && m.TimeToLive != nil && *m.TimeToLive > 0 && *m.TimeToLive < math.MaxUint32*time.Millisecond {
		expires = *m.ExpiresAt
	}
	meta.add("ExpiresAtUtc", encodeDateTime(expires))
	meta.add("ExpiresAt", encodeDateTimeOffset(expires))
	if m.EnqueuedTime != nil {
		meta.add("EnqueuedTimeUtc", encodeDateTime(*m.EnqueuedTime))
		meta.add("EnqueuedTime", encodeDateTimeOffset(*m.EnqueuedTime))
	}
	meta.add("MessageId", twice(m.MessageID))
	addOptional(&meta, "ContentType", m.ContentType)
	addOptional(&meta, "ReplyTo", m.ReplyTo)
	if m.SequenceNumber != nil {
		meta.add("SequenceNumber", twiceInt(*m.SequenceNumber))
	}
	addOptional(&meta, "To", m.To)
	addOptional(&meta, "Subject", m.Subject)
	addOptional(&meta, "Label", m.Subject)
	addOptional(&meta, "CorrelationId", m.CorrelationID)
	props := properties(m.ApplicationProperties)
	meta.add("ApplicationProperties", props)
	meta.add("UserProperties", props)
	addOptional(&meta, "SessionId", m.SessionID)
	addOptional(&meta, "ReplyToSessionId", m.ReplyToSessionID)
	addOptional(&meta, "PartitionKey", m.PartitionKey)
	return meta
}

func addOptional(o *object, key string, v *string) {
	if v != nil {
		o.add(key, twice(*v))
	}
}

func properties(props map[string]any) string {
	var o object
	for _, k := range slices.Sorted(maps.Keys(props)) {
		switch v := props[k].(type) {
		case nil:
			o.add(k, "null")
		case string:
			o.add(k, quote(v))
		case bool:
			o.add(k, strconv.FormatBool(v))
		case time.Time:
			o.add(k, dotnetTime(v, "Z"))
		case int64:
			o.add(k, strconv.FormatInt(v, 10))
		case int32:
			o.add(k, strconv.FormatInt(int64(v), 10))
		case float64:
			o.add(k, strconv.FormatFloat(v, 'g', -1, 64))
		default:
			o.add(k, "{}") // a .NET object without public properties
		}
	}
	return o.String()
}

// addBindingData copies the top level of a JSON object that came as text into the metadata, overwriting the host's own keys:
// a body {"messageId":"x"} replaces MessageId. Arrays and nulls are left out; scalars become text. A known trap of the host,
// which dataType binary avoids.
func addBindingData(meta *object, body string) {
	fields, err := members([]byte(body))
	if err != nil {
		return
	}
	for _, f := range fields {
		switch {
		case f.val == "null" || strings.HasPrefix(f.val, "[") || strings.HasSuffix(strings.ToLower(f.key), "trigger"):
		case strings.HasPrefix(f.val, "{"):
			if v, err := reprint([]byte(f.val)); err == nil {
				meta.set(f.key, v)
			}
		default:
			if v, err := scalarText(f.val); err == nil {
				meta.set(f.key, twice(v))
			}
		}
	}
}

// httpPayload is the envelope of an HTTP request; the body is read whole.
func httpPayload(binding string, r *http.Request, params []member, sys sysData) ([]byte, error) {
	query, single, many := queryObject(r), object{}, object{}
	header := r.Header.Clone()
	header.Set("Host", r.Host)
	for _, k := range slices.Sorted(maps.Keys(header)) {
		var quoted []string
		for _, v := range header[k] {
			quoted = append(quoted, quote(v))
		}
		many.add(k, "["+strings.Join(quoted, ",")+"]")
		single.add(k, quote(strings.Join(header[k], ",")))
	}
	routeValues := object{}
	meta := object{{"Query", query}, {"Headers", single.String()}}
	for _, p := range params {
		routeValues.add(p.key, quote(p.val))
		meta.set(p.key, twice(p.val))
	}
	meta.add("sys", sys.json())
	req := object{{"Url", quote("http://" + r.Host + r.URL.RequestURI())}, {"Method", quote(r.Method)}, {"Query", query},
		{"Headers", many.String()}, {"Params", routeValues.String()}, {"Identities", "[" + anonymous().String() + "]"}}
	if r.ContentLength > 0 {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		req.add("Body", quote(bodyText(r.Header.Get("Content-Type"), body)))
	}
	return envelope(binding, req.String(), meta), nil
}

func queryObject(r *http.Request) string {
	var o object
	q := r.URL.Query()
	for _, k := range slices.Sorted(maps.Keys(q)) {
		o.add(k, quote(strings.Join(q[k], ",")))
	}
	return o.String()
}

func anonymous() object {
	return object{{"AuthenticationType", "null"}, {"IsAuthenticated", "false"}, {"Actor", "null"}, {"BootstrapContext", "null"},
		{"Claims", "[]"}, {"Label", "null"}, {"Name", "null"},
		{"NameClaimType", quote("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name")},
		{"RoleClaimType", quote("http://schemas.microsoft.com/ws/2008/06/identity/claims/role")}}
}

func bodyText(contentType string, body []byte) string {
	media, _, err := mime.ParseMediaType(contentType)
	if err == nil && (media == "application/octet-stream" || strings.HasPrefix(media, "multipart/")) {
		return base64.StdEncoding.EncodeToString(body)
	}
	return string(body)
}

// newBusClient names the host's client as the .NET SDK does.
func newBusClient(namespace string) busClient {
	return busClient{namespace: namespace, identifier: namespace + "-" + uuid.NewString()}
}

// manualMessage is what POST /admin/functions/<name> hands to a Service Bus function: the input as the body, nothing else.
func manualMessage(input string, now time.Time) *azservicebus.ReceivedMessage {
	return &azservicebus.ReceivedMessage{Body: []byte(input), MessageID: uuid.NewString(), DeliveryCount: 1,
		EnqueuedTime: to.Ptr(now), SequenceNumber: to.Ptr(int64(0)), LockToken: uuid.New()}
}
