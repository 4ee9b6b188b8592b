package funchost

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// schedule is an NCrontab expression in UTC.
type schedule struct {
	next      func(time.Time) time.Time
	subMinute bool
}

// cronField is what NCrontab and robfig/cron read alike: no ?, L, W, #, no empty list elements, no time zone prefix.
var cronField = regexp.MustCompile(`^(\*|\w+(-\w+)?)(/\d+)?(,(\*|\w+(-\w+)?)(/\d+)?)*$`)

// parseSchedule reads {second} {minute} {hour} {day} {month} {day-of-week}, or five fields with second 0. What NCrontab and
// the parser used here would read differently is refused.
func parseSchedule(text string) (schedule, error) {
	fields := strings.Fields(text)
	if len(fields) == 1 && strings.Contains(text, ":") {
		return schedule{}, fmt.Errorf("schedule %q: a time span is not served here, as on Consumption plans", text)
	}
	if len(fields) == 5 {
		fields = append([]string{"0"}, fields...)
	}
	if len(fields) != 6 {
		return schedule{}, fmt.Errorf("the schedule expression %q was not recognized as a valid cron expression: %d fields", text, len(fields))
	}
	for _, f := range fields {
		if !cronField.MatchString(f) {
			return schedule{}, fmt.Errorf("the schedule expression %q was not recognized: field %q", text, f)
		}
	}
	// NCrontab wants both days to match, the other parser either of them.
	if fields[3] != "*" && fields[5] != "*" {
		return schedule{}, fmt.Errorf("schedule %q restricts both day and day of week: refused, because parsers disagree on its meaning", text)
	}
	p := cron.NewParser(cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	s, err := p.Parse(strings.Join(fields, " "))
	if err != nil {
		return schedule{}, fmt.Errorf("schedule %q: %w", text, err)
	}
	sched := schedule{next: func(t time.Time) time.Time { return s.Next(t.UTC()) }}
	first := sched.next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	if first.IsZero() {
		return schedule{}, errors.New("the schedule never fires: " + text)
	}
	sched.subMinute = sched.next(first).Sub(first) < time.Minute
	return sched, nil
}
