package funchost

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

// hostVersion is the release of the Functions host that this stand-in was written from.
const hostVersion = "4.1037.0"

// result is what the handler answered; Outputs only after a success.
type result struct {
	status  int
	body    []byte
	outputs map[string]json.RawMessage
}

// noticeLimit is how long a call without an answer waits to learn whether the handler died.
const noticeLimit = time.Second

var errFunctionTimeout = errors.New("timeout value was exceeded by function")

// invoke sends one envelope to the handler and judges the answer. An error is a failed invocation; the status and body of an
// answer that failed are still in the result.
func (h *Host) invoke(ctx context.Context, f *function, payload []byte) (result, error) {
	h.inFlight.Add(1)
	defer h.inFlight.Add(-1)
	p, err := h.sup.acquire(ctx)
	if errors.Is(err, errNotReady) {
		h.fail(err)
	}
	if err != nil {
		return result{}, err
	}
	// A dead handler fails its calls at once, even where a child of it still holds the socket.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := h.watch(ctx, cancel, f, p)
	defer stop()
	id := uuid.NewString()
	res, err := h.post(ctx, f, p, id, payload)
	if errors.Is(err, errNoResult) {
		// A body that parses to null never sets the result: the invocation hangs until functionTimeout.
		h.logf("function %s: the handler's answer is null, the invocation hangs", f.name)
		<-ctx.Done()
	}
	if err != nil && (res.status == 0 || errors.Is(err, errNoResult)) {
		// The message of a failed call comes again at once. Let it meet the next handler, not the port of the dead one: the
		// real host may burn a delivery or two on that, a test had better not.
		select {
		case <-p.noticed:
		case <-time.After(noticeLimit):
		}
	}
	if cause := context.Cause(ctx); cause != nil && err != nil {
		err = cause
	}
	if err != nil {
		return res, fmt.Errorf("executed 'Functions.%s' (Failed, Id=%s): %w", f.name, id, err)
	}
	return res, nil
}

// watch cancels an invocation when its handler dies, and kills the handler when functionTimeout runs out.
func (h *Host) watch(ctx context.Context, cancel context.CancelCauseFunc, f *function, p *process) (stop func()) {
	ctx, end := context.WithCancel(ctx)
	done := make(chan struct{}, 2)
	exited := p.exited
	select {
	case <-exited:
		exited = nil // a dead handler that the host believes up refuses the connection
	default:
	}
	go func() {
		defer func() { done <- struct{}{} }()
		select {
		case <-exited:
			cancel(fmt.Errorf("the handler (pid %d) exited during the call", p.pid))
		case <-ctx.Done():
		}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		if h.host.functionTimeout <= 0 || h.sleep.until(ctx, h.sleep.now().Add(h.host.functionTimeout)) != nil {
			return
		}
		cancel(fmt.Errorf("%w '%s': %v", errFunctionTimeout, f.name, h.host.functionTimeout))
		p.timedOut.Store(true)
		_ = p.cmd.Process.Kill() // an error means that it is gone already
	}()
	return func() {
		end()
		<-done
		<-done
	}
}

// chunked hides the length of a body, so that it goes out chunked as the host sends it.
type chunked struct{ io.Reader }

func (h *Host) post(ctx context.Context, f *function, p *process, id string, payload []byte) (result, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+f.name, chunked{bytes.NewReader(payload)})
	if err != nil {
		return result{}, err
	}
	req.ContentLength = -1
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(payload)), nil }
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "Azure-Functions-Host/"+hostVersion)
	req.Header.Set("X-Azure-Functions-HostVersion", hostVersion)
	req.Header.Set("X-Azure-Functions-InvocationId", id)
	req.Header.Set("traceparent", traceparent())
	resp, err := p.client.Do(req)
	if err != nil {
		return result{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return result{}, err
	}
	res := result{status: resp.StatusCode, body: body}
	return h.judge(f, resp.Header.Get("Content-Type"), res)
}

func traceparent() string {
	var id [24]byte
	_, _ = rand.Read(id[:]) // never fails
	return "00-" + hex.EncodeToString(id[:16]) + "-" + hex.EncodeToString(id[16:]) + "-00"
}

var errNoResult = errors.New("the answer is null")

// answer is the handler's JSON; names in any case.
type answer struct {
	Outputs     map[string]json.RawMessage
	Logs        []string
	ReturnValue json.RawMessage
}

func (h *Host) judge(f *function, contentType string, res result) (result, error) {
	if res.status < 200 || res.status > 299 {
		return res, fmt.Errorf("response status code does not indicate success: %d (%s)", res.status, http.StatusText(res.status))
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil || media != "application/json" && media != "text/json" {
		return res, fmt.Errorf("invalid HttpResponseMessage: no MediaTypeFormatter reads media type %q", contentType)
	}
	if text := strings.TrimSpace(string(res.body)); text == "" || text == "null" {
		return res, errNoResult
	}
	var a answer
	if err := json.Unmarshal(res.body, &a); err != nil {
		return res, fmt.Errorf("invalid HttpResponseMessage: %w", err)
	}
	for _, line := range a.Logs {
		h.write("Information", "Function."+f.name+".User", line)
	}
	res.outputs = a.Outputs
	if res.outputs == nil {
		res.outputs = map[string]json.RawMessage{}
	}
	if f.output == "$return" {
		res.outputs["$return"] = a.ReturnValue
		return res, nil
	}
	fields, err := members(a.ReturnValue)
	if err != nil {
		return res, nil // absent, null or a scalar: nothing binds to it
	}
	for _, m := range fields {
		res.outputs[m.key] = json.RawMessage(m.val)
	}
	return res, nil
}

// newSys is the system data of one invocation.
func (h *Host) newSys(f *function) sysData {
	return sysData{method: f.name, now: h.sleep.now().Truncate(100 * time.Nanosecond), guid: uuid.NewString()}
}
