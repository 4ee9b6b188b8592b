package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// markdown is the report for people.
func (r *Report) markdown() string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("# Acceptance run of bacvault: %s", r.verdict())
	say("")
	if r.StandIn {
		say("**This was a stand-in, not Azure.** An address was this machine's own. Nothing below says anything about Azure.\n")
	}
	say("From %s to %s (%s).\n", r.Begun.Format(time.RFC3339), r.Ended.Format(time.RFC3339), r.Ended.Sub(r.Begun).Round(time.Second))
	say("| what | |\n|---|---|")
	for _, row := range [][2]string{
		{"bacvault", r.Versions.Bacvault}, {"sqlpackage", r.Versions.Sqlpackage}, {"Go, platform", r.Versions.Go + ", " + r.Versions.Platform},
		{"server", r.Places.Server}, {"container", r.Places.Container}, {"state container", r.Places.StateContainer}, {"management plane", r.Places.ManagementPlane},
		{"database", r.Places.Database + ", " + r.Places.ServiceObjective + "; read and copied, not changed"}, {"its copy, which stood for the live one", r.Places.Copy},
		{"run as the least rights", fmt.Sprintf("%t, as whoever ran it declared", r.LeastRights)},
	} {
		say("| %s | %s |", row[0], cell(row[1]))
	}
	r.stepTable(say)
	r.attemptTable(say)
	r.questionTable(say)
	r.statementTable(say)
	r.tail(say)
	return b.String()
}

func (r *Report) verdict() string {
	if r.Passed {
		return "passed"
	}
	return "NOT passed"
}

type sayer func(format string, args ...any)

func (r *Report) stepTable(say sayer) {
	say("\n## Steps\n")
	say("`pass` held. `answer` was to be found out and was. `skipped` was not done: it is no pass. *Asked for by a flag* does not count where it was not asked for.\n")
	say("| step | start | seconds | verdict | what came of it |\n|---|---|---|---|---|")
	for _, s := range r.Steps {
		verdict := s.Verdict
		if s.Optional {
			verdict += ", *asked for by a flag*"
		}
		say("| %s | %s | %.1f | %s | %s |", s.Name, s.Start.Format(time.TimeOnly), s.End.Sub(s.Start).Seconds(), verdict, cell(s.Detail))
		for _, g := range s.Stages {
			say("| … %s %s | | %.1f | | %s |", g.Run, g.Stage, g.Seconds, cell(g.Note))
		}
	}
}

func (r *Report) attemptTable(say sayer) {
	say("\n## What was tried on the store and the management plane\n")
	say("| request | bacvault assumes | answer | request id |\n|---|---|---|---|")
	for _, a := range r.Attempts {
		answer := strings.TrimSpace(fmt.Sprintf("%d %s", a.Status, a.Code))
		if a.Status == 0 {
			answer = "no answer: " + a.Error
		}
		if a.Differs {
			answer = "**" + answer + "** (another)"
		}
		say("| %s | %s | %s | %s |", a.What, cell(a.Expected), cell(answer), a.RequestID)
	}
	say("\nThe headers of each answer stand in acceptance.json.")
}

func (r *Report) questionTable(say sayer) {
	say("\n## Questions that the documentation leaves open\n")
	say("| | question | bacvault assumes | answer | settled |\n|---|---|---|---|---|")
	for _, q := range r.Questions {
		settled := "no"
		switch {
		case q.Settled && q.Differs:
			settled = "**yes, and it is another**"
		case q.Settled:
			settled = "yes"
		}
		say("| %d | %s | %s | %s | %s |", q.Number, cell(q.Text), cell(q.Assumed), cell(q.Answer), settled)
	}
}

func (r *Report) statementTable(say sayer) {
	say("\n## T-SQL\n")
	say("Each statement by the name of its constant; docs/tsql.md says what it is for and which page it follows.\n")
	say("| constant | outcome | times | refused | the last error |\n|---|---|---|---|---|")
	for _, s := range r.Statements {
		outcome := s.Outcome
		if outcome != outcomeRan {
			outcome = "**" + outcome + "**"
		}
		say("| `%s` | %s | %d | %d | %s |", s.Constant, outcome, s.Times, s.Refused, cell(s.Error))
	}
	for _, u := range r.Unknown {
		say("| **sent, and no constant explains it** | %s | | | |", cell(u))
	}
}

func (r *Report) tail(say sayer) {
	say("\n## What is left\n")
	if len(r.Left) == 0 {
		say("Nothing.")
	}
	for _, l := range r.Left {
		say("- %s", l)
	}
	say("\nBlobs in a container with an unlocked policy of a day can be deleted a day after they were made, or at once when the policy is removed: docs/acceptance.md, clean up.")
	say("\n## What to do with this\n")
	say("1. Look it through: it holds names and addresses of yours, and no token, key or row.")
	say("2. If it was Azure, open an issue of the project with acceptance.json, whether it passed or not: each settled question replaces an assumption.")
	say("3. Where an answer is **another** than what bacvault assumes, these pages are to be changed:")
	say("   - questions 1 to 4 and 6, and the table of what was tried: standin/blob/README.md, and the stand-in itself, so that it answers as Azure does;")
	say("   - question 5 and 7: standin/arm/README.md and the page of the gate's codes, docs/failures.md;")
	say("   - questions 8 and 9, and a statement that was refused: docs/permissions.md and docs/grants.sql;")
	say("   - question 10: docs/runbook.md, on promoting over an immutable long-term policy;")
	say("   - a statement that was refused for what it says: docs/tsql.md, and the statement.")
	say("4. A step that was skipped has shown nothing. Give it what it lacked and run again.")
}

// cell keeps a table a table.
func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}

// summary is what the terminal gets.
func (r *Report) summary(dir string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nacceptance run %s\n", r.verdict())
	for _, s := range r.Steps {
		if s.Verdict != verdictPass && s.Verdict != verdictAnswer && (!s.Optional || s.Verdict == verdictFail) {
			fmt.Fprintf(&b, "  %s: %s: %s\n", s.Verdict, s.Name, s.Detail)
		}
	}
	for _, s := range r.Statements {
		if s.Outcome != outcomeRan {
			fmt.Fprintf(&b, "  %s: %s %s\n", s.Outcome, s.Constant, s.Error)
		}
	}
	if r.StandIn {
		b.WriteString("  this was a stand-in: it says nothing about Azure\n")
	}
	fmt.Fprintf(&b, "report: %s\n", filepath.Join(dir, "acceptance.md"))
	return b.String()
}
