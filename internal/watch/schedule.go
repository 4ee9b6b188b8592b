package watch

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// cronSchedule is the nightly timer's, in UTC.
type cronSchedule struct{ cron.Schedule }

// ParseSchedule reads what the Functions host reads as a timer's schedule: six fields from second to day of week, or five with
// second 0, in UTC. One that restricts both the day and the day of week is refused, for parsers disagree on what it means
// (https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions).
func ParseSchedule(text string) (Schedule, error) {
	fields := strings.Fields(text)
	if len(fields) == 5 {
		fields = append([]string{"0"}, fields...)
	}
	if len(fields) != 6 {
		return nil, fmt.Errorf("%q does not have the six fields {second} {minute} {hour} {day} {month} {day of week}", text)
	}
	if fields[3] != "*" && fields[5] != "*" {
		return nil, fmt.Errorf("%q restricts both the day and the day of week", text)
	}
	s, err := cron.NewParser(cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(strings.Join(fields, " "))
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	return cronSchedule{s}, nil
}

// mostOccurrences bounds a strip: a backup every few minutes is no nightly backup.
const mostOccurrences = 1000

// Between lists the occurrences after from and not after to, the first thousand of them.
func (s cronSchedule) Between(from, to time.Time) (out []time.Time) {
	for t := s.Next(from); !t.IsZero() && !t.After(to) && len(out) < mostOccurrences; t = s.Next(t) {
		out = append(out, t)
	}
	return out
}

// Next is the first occurrence after a moment; the zero time if there is none.
func (s cronSchedule) Next(after time.Time) time.Time { return s.Schedule.Next(after.UTC()) }

// NoSchedule is that of an app whose timer is not known: nothing is expected at any moment.
type NoSchedule struct{}

// Between lists nothing.
func (NoSchedule) Between(time.Time, time.Time) []time.Time { return nil }

// Next is the zero time.
func (NoSchedule) Next(time.Time) time.Time { return time.Time{} }
