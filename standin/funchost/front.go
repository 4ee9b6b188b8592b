package funchost

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxRequestBody is the host's limit of an HTTP request, in bytes.
const maxRequestBody = 100 << 20

// ServeHTTP is the host's HTTP front. Function keys are not asked for, as with the core tools.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.ToLower(strings.Trim(r.URL.Path, "/"))
	switch {
	case path == "":
		fmt.Fprintln(w, "Your Functions host stand-in is up and running.")
	case path == "admin/host/ping":
		w.WriteHeader(http.StatusOK)
	case path == "admin/host/drain" && r.Method == http.MethodPost:
		h.Drain()
		w.WriteHeader(http.StatusAccepted)
	case path == "admin/host/drain/status" && r.Method == http.MethodGet:
		writeJSON(w, h.drainStatus())
	case strings.HasPrefix(path, "admin/functions/") && r.Method == http.MethodPost:
		h.adminRun(w, r, strings.TrimPrefix(path, "admin/functions/"))
	default:
		h.serveFunction(w, r)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(v) // the client is gone
}

type drainStatus struct {
	State                  string `json:"state"`
	OutstandingInvocations int64  `json:"outstandingInvocations"`
	OutstandingRetries     int64  `json:"outstandingRetries"`
}

func (h *Host) drainStatus() drainStatus {
	s := drainStatus{State: "Disabled", OutstandingInvocations: h.inFlight.Load(), OutstandingRetries: h.retries.Load()}
	if h.draining.Load() {
		s.State = "InProgress"
		if s.OutstandingInvocations == 0 && s.OutstandingRetries == 0 {
			s.State = "Completed"
		}
	}
	return s
}

// adminRun starts a function by hand and answers 202 before it ran. Disabled functions can be run too.
func (h *Host) adminRun(w http.ResponseWriter, r *http.Request, name string) {
	i := slices.IndexFunc(h.functions, func(f *function) bool { return strings.EqualFold(f.name, name) })
	if i < 0 {
		http.NotFound(w, r)
		return
	}
	var in struct{ Input string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequestBody)).Decode(&in); err != nil && !errors.Is(err, io.EOF) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	f := h.functions[i]
	if f.is("httpTrigger") {
		http.Error(w, "run HTTP functions through their route here", http.StatusNotImplemented)
		return
	}
	if !h.spawn(func() { h.manualRun(f, in.Input) }) {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

func (h *Host) manualRun(f *function, input string) {
	var err error
	if t := h.timers[f.name]; t != nil {
		_, err = t.manual(h.running)
	} else {
		sys := h.newSys(f)
		m := manualMessage(input, sys.now)
		binary := strings.EqualFold(f.trigger.DataType, "binary")
		_, err = h.invoke(h.running, f, queuePayload(f.trigger.Name, binary, m, newBusClient(f.bus.namespace), sys))
	}
	if err != nil {
		h.logf("manual run of %s: %v", f.name, err)
	}
}

func (h *Host) serveFunction(w http.ResponseWriter, r *http.Request) {
	path := strings.Trim(r.URL.EscapedPath(), "/")
	if prefix := strings.Trim(h.host.routePrefix, "/"); prefix != "" {
		rest, ok := cutPrefixFold(path+"/", prefix+"/")
		if !ok {
			http.NotFound(w, r)
			return
		}
		path = rest
	}
	for _, f := range h.functions {
		if !f.is("httpTrigger") || f.disabled || !allowsMethod(f.trigger.Methods, r.Method) {
			continue
		}
		if params, ok := f.route.match(path); ok {
			h.callHTTP(w, r, f, params)
			return
		}
	}
	http.NotFound(w, r)
}

func allowsMethod(methods []string, m string) bool {
	return len(methods) == 0 || slices.ContainsFunc(methods, func(v string) bool { return strings.EqualFold(v, m) })
}

func (h *Host) callHTTP(w http.ResponseWriter, r *http.Request, f *function, params []member) {
	r.Body = http.MaxBytesReader(w, r.Body, maxRequestBody)
	sys := h.newSys(f)
	payload, err := httpPayload(f.trigger.Name, r, params, sys)
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	// A client that hangs up does not end the invocation.
	res, err := h.invoke(h.running, f, payload)
	if err == nil && f.output != "" {
		err = writeOutput(w, res.outputs, f.output)
	}
	if err != nil {
		h.logf("http %s: %v", f.name, err)
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// writeOutput makes the HTTP answer of the http output. Only statusCode, headers and body count: "status" alone is ignored,
// as in the host. An error leaves w untouched.
func writeOutput(w http.ResponseWriter, outputs map[string]json.RawMessage, name string) error {
	raw, ok := outputs[name]
	if !ok {
		return nil // 200, empty
	}
	fields, err := members(raw)
	if err != nil {
		return fmt.Errorf("output %q is no object: %w", name, err)
	}
	status, body, contentType := http.StatusOK, []byte(nil), "text/plain; charset=utf-8"
	var headers []member
	for _, f := range fields {
		switch strings.ToLower(f.key) {
		case "statuscode":
			if n, err := strconv.Atoi(strings.Trim(f.val, `"`)); err == nil {
				status = n
			}
		case "headers":
			if headers, err = members([]byte(f.val)); err != nil && f.val != "null" {
				return fmt.Errorf("output %q: headers: %w", name, err)
			}
		case "body":
			if body, err = outputBody(f.val); err != nil {
				return fmt.Errorf("output %q: body: %w", name, err)
			}
		}
	}
	if status < 200 || status > 599 {
		return fmt.Errorf("output %q: status code %d", name, status)
	}
	w.Header().Set("Content-Type", contentType)
	for _, f := range headers {
		v, err := scalarText(f.val)
		if err != nil {
			v = f.val
		}
		w.Header().Set(f.key, v)
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone
	return nil
}

// outputBody is a string verbatim; anything else is indented JSON text.
func outputBody(val string) ([]byte, error) {
	if val == "null" {
		return nil, nil
	}
	var s string
	if json.Unmarshal([]byte(val), &s) == nil {
		return []byte(s), nil
	}
	compact, err := reprint([]byte(val))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = json.Indent(&out, []byte(compact), "", "  ")
	return out.Bytes(), err
}
