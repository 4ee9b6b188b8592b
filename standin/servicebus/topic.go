package servicebus

import "time"

// topic holds no messages but the scheduled ones; the others are in its subscriptions.
type topic struct {
	path          string
	scope         string
	subscriptions []subscription
	duplicates    duplicateWindow
	scheduled     *queue
}

type subscription struct {
	queue  *queue
	filter filter
}

// distribute gives each subscription that wants the message a copy. The payload is shared: nobody changes it from here on.
func (t *topic) distribute(p *payload) {
	for _, s := range t.subscriptions {
		if s.filter.matches(p) {
			s.queue.enqueue(p)
			s.queue.pump()
		}
	}
}

// duplicateWindow remembers message ids for a while. Zero window: it remembers nothing.
type duplicateWindow struct {
	window time.Duration
	first  map[string]time.Time
	order  []string
}

// seen says whether the id came before within the window, and remembers it if not. A scheduled message counts from when it
// was sent, not from when it becomes active.
func (d *duplicateWindow) seen(id string, now time.Time) bool {
	if d.window == 0 || id == "" {
		return false
	}
	for len(d.order) > 0 && now.Sub(d.first[d.order[0]]) > d.window {
		delete(d.first, d.order[0])
		d.order = d.order[1:]
	}
	if _, ok := d.first[id]; ok {
		return true
	}
	if d.first == nil {
		d.first = map[string]time.Time{}
	}
	d.first[id] = now
	d.order = append(d.order, id)
	return false
}
