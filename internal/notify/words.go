package notify

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// words is what a message says, in no chat's form yet.
type words struct {
	verdict string // one line
	lines   []line
	link    string
}

type line struct{ label, text string }

// verdicts says each type in words; %s is the event's subject.
func verdicts() map[bacvault.EventType]string {
	return map[bacvault.EventType]string{
		bacvault.BackupCompleted:     "The backup of %s is stored.",
		bacvault.BackupFailed:        "The backup of %s failed.",
		bacvault.BackupOverdue:       "The newest backup of %s is too old.",
		bacvault.RestoreCompleted:    "The restore of %s is done.",
		bacvault.RestoreFailed:       "The restore of %s failed.",
		bacvault.PromoteCompleted:    "The promotion of %s is done.",
		bacvault.PromoteFailed:       "The promotion of %s failed.",
		bacvault.DrillPassed:         "The drill of %s passed.",
		bacvault.DrillFailed:         "The drill of %s failed.",
		bacvault.ImmutabilityDrifted: "The immutability of %s is not what it was.",
		bacvault.FindingRaised:       "The watch found something about %s.",
		bacvault.FindingCleared:      "What the watch told about %s is over.",
		bacvault.RequestRejected:     "A message on %s was not understood.",
		bacvault.RequestDeadlettered: "A request ended in the dead letters without a word: %s.",
	}
}

// Both chats cut or refuse what is too long: a Teams message may have 28 KB in all. A character is up to 6 bytes of JSON.
const (
	longestVerdict = 300
	longestLine    = 400
)

// say puts an event in words: what happened, to which database, by which code, what exists now, and what to do next. It names
// the fields that it shows, so that nothing of a request or a finding gets into a chat by accident.
func say(e bacvault.Event, statusURL string) words {
	form, ok := verdicts()[e.Type]
	if !ok { // of a later version: better told than not
		form = string(e.Type) + ": %s"
	}
	w := words{verdict: cut(fmt.Sprintf(form, e.Subject), longestVerdict), link: statusURL}
	d := e.Data
	if d.Database != "" {
		w.add("Database", d.Server+"/"+d.Database)
	}
	if d.Slot != nil {
		w.add("Slot", d.Slot.String())
	}
	if f := d.Failure; f != nil {
		w.add("Code", string(f.Code))
		w.add("What happened", f.Detail)
		w.add("What exists now", f.Exists)
		w.add("Next step", f.Next)
	}
	if f := d.Finding; f != nil {
		w.add("Code", fmt.Sprintf("%s (%s)", f.Kind, f.Severity))
		w.add("What was found", f.Detail)
		if f.After != "" {
			w.add("What exists now", f.After+"; it was: "+f.Before)
		}
		if e.Type != bacvault.FindingCleared {
			w.add("Next step", f.Next)
		}
	}
	w.add("Event", e.ID)
	return w
}

func (w *words) add(label, text string) {
	if text = cut(text, longestLine); text != "" {
		w.lines = append(w.lines, line{label, text})
	}
}

// cut makes one printable line of at most so many characters. What does not print could turn a line around or hide a part of it.
func cut(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(s, "?"))
	r := []rune(strings.Join(strings.Fields(s), " "))
	if len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return string(r)
}
