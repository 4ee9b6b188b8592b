package funchost

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// function is one folder with a function.json, its settings resolved.
type function struct {
	name     string
	disabled bool
	trigger  binding
	output   string // the name of the http output, "" for none
	schedule schedule
	route    route
	retry    retryPolicy
	bus      busSource
}

// busSource is the namespace that a function's messages come from.
type busSource struct{ namespace, connectionString, clientID string }

// retryPolicy is the retry block; zero is none.
type retryPolicy struct {
	max   int
	delay time.Duration
}

// binding is one element of "bindings"; only what this host serves. A field that is absent keeps the host's default.
type binding struct {
	Type, Direction, Name        string
	Schedule                     string
	UseMonitor, RunOnStartup     *bool
	QueueName, Connection        string
	TopicName, SubscriptionName  string
	DataType, Cardinality        string
	AutoCompleteMessages         *bool
	IsSessionsEnabled            bool
	AuthLevel, Route             string
	Methods                      []string
	monitored, startup, complete bool
}

type functionJSON struct {
	Bindings []binding
	Disabled bool
	Retry    *struct {
		Strategy, DelayInterval string
		MaxRetryCount           int
	}
}

var (
	functionName = regexp.MustCompile(`^(?i)[a-z][a-z0-9_-]{0,127}$`)
	bindingName  = regexp.MustCompile(`^([a-zA-Z][a-zA-Z0-9]{0,127}|\$return)$`)
)

// loadFunctions reads the direct sub-folders of root. As in the host, a function in error is left out and the rest runs; the
// errors are returned beside the functions. A nested functions/<name>/function.json is not seen at all.
func loadFunctions(root string, c hostConfig, s settings) (fns []*function, errs []error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, []error{err}
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(root, e.Name(), "function.json"))
		if err != nil {
			continue // not a function's folder
		}
		f, err := parseFunction(e.Name(), text, c, s)
		if err != nil {
			errs = append(errs, fmt.Errorf("the '%s' function is in error: %w", e.Name(), err))
			continue
		}
		fns = append(fns, f)
	}
	return fns, errs
}

func parseFunction(name string, text []byte, c hostConfig, s settings) (*function, error) {
	if !functionName.MatchString(name) || strings.EqualFold(name, "host") {
		return nil, fmt.Errorf("'%s' is not a valid function name", name)
	}
	var doc functionJSON
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("read function.json: %w", err)
	}
	f := &function{name: name, disabled: doc.Disabled || isDisabled(name, s)}
	for _, b := range doc.Bindings {
		if err := f.addBinding(b); err != nil {
			return nil, err
		}
	}
	if f.trigger.Type == "" {
		return nil, errors.New("no trigger binding")
	}
	if err := f.resolve(c, s); err != nil {
		return nil, err
	}
	return f, f.setRetry(doc)
}

func isDisabled(name string, s settings) bool {
	for _, key := range []string{"AzureWebJobs_" + name + "_Disabled", "AzureWebJobs." + name + ".Disabled"} {
		if v := s.get(key); v == "1" || strings.EqualFold(v, "true") {
			return true
		}
	}
	return false
}

func (f *function) addBinding(b binding) error {
	if !bindingName.MatchString(b.Name) {
		return fmt.Errorf("the binding name %q is invalid", b.Name)
	}
	switch strings.ToLower(b.Type + " " + b.Direction) {
	case "timertrigger in", "servicebustrigger in", "httptrigger in":
		if f.trigger.Type != "" {
			return errors.New("more than one trigger")
		}
		b.monitored, b.startup = b.UseMonitor == nil || *b.UseMonitor, b.RunOnStartup != nil && *b.RunOnStartup
		f.trigger = b
	case "http out":
		f.output = b.Name
	case "servicebus out":
		return errors.New("serviceBus outputs are not served here: the host cannot set message id, subject or properties; send with the Service Bus client")
	default:
		return fmt.Errorf("binding type %q, direction %q is not served here", b.Type, b.Direction)
	}
	return nil
}

func (f *function) resolve(c hostConfig, s settings) (err error) {
	b := &f.trigger
	switch strings.ToLower(b.Type) {
	case "timertrigger":
		if b.Schedule, err = s.expand(b.Schedule); err != nil {
			return err
		}
		f.schedule, err = parseSchedule(b.Schedule)
		return err
	case "servicebustrigger":
		return f.resolveQueue(c, s)
	}
	if b.Route == "" {
		b.Route = f.name
	}
	if b.Route, err = s.expand(b.Route); err != nil {
		return err
	}
	if !slices.Contains([]string{"", "anonymous", "function", "admin"}, strings.ToLower(b.AuthLevel)) {
		return fmt.Errorf("authLevel %q is unknown", b.AuthLevel)
	}
	f.route, err = parseRoute(b.Route)
	return err
}

func (f *function) resolveQueue(c hostConfig, s settings) (err error) {
	b := &f.trigger
	switch {
	case !c.hasBundle:
		return errors.New("the binding type(s) 'serviceBusTrigger' were not found: host.json names no extension bundle")
	case b.IsSessionsEnabled:
		return errors.New("session triggers are not served here")
	case b.Cardinality != "" && !strings.EqualFold(b.Cardinality, "one"):
		return fmt.Errorf("cardinality %q is not served here: one failure abandons the whole batch", b.Cardinality)
	case !slices.Contains([]string{"", "string", "binary"}, strings.ToLower(b.DataType)):
		return fmt.Errorf("dataType %q is not served here", b.DataType)
	}
	for _, p := range []*string{&b.QueueName, &b.TopicName, &b.SubscriptionName, &b.Connection} {
		if *p, err = s.expand(*p); err != nil {
			return err
		}
	}
	if (b.QueueName == "") == (b.TopicName == "") || (b.TopicName == "") != (b.SubscriptionName == "") {
		return errors.New("neither a queueName alone nor a topicName with a subscriptionName")
	}
	b.complete = c.bus.autoComplete
	if b.AutoCompleteMessages != nil {
		b.complete = *b.AutoCompleteMessages
	}
	name := b.Connection
	if name == "" {
		name = "AzureWebJobsServiceBus"
	}
	f.bus = busSource{namespace: s.get(name + "__fullyQualifiedNamespace"), connectionString: s.get(name), clientID: s.get(name + "__clientId")}
	if f.bus.namespace == "" && f.bus.connectionString == "" {
		return fmt.Errorf("the Service Bus connection '%s' is missing: neither %s__fullyQualifiedNamespace nor a connection string is set", name, name)
	}
	return nil
}

func (f *function) setRetry(doc functionJSON) error {
	r := doc.Retry
	if r == nil {
		return nil
	}
	if !strings.EqualFold(f.trigger.Type, "timerTrigger") {
		return fmt.Errorf("the host applies no retry block to a %s", f.trigger.Type)
	}
	if !strings.EqualFold(r.Strategy, "fixedDelay") || r.MaxRetryCount < 0 {
		return fmt.Errorf("retry strategy %q with maxRetryCount %d is not served here", r.Strategy, r.MaxRetryCount)
	}
	delay, err := parseTimeSpan(r.DelayInterval)
	if err != nil {
		return fmt.Errorf("retry delayInterval: %w", err)
	}
	f.retry = retryPolicy{max: r.MaxRetryCount, delay: delay}
	return nil
}

// entity is what the listener receives from, as the host's messages name it.
func (b binding) entity() string {
	if b.TopicName != "" {
		return b.TopicName + "/Subscriptions/" + b.SubscriptionName
	}
	return b.QueueName
}

func (f *function) is(trigger string) bool { return strings.EqualFold(f.trigger.Type, trigger) }
