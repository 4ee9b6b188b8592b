package main

import (
	"fmt"
	"slices"
	"strings"
)

// answers are those that a step found, by the number of the question.
type answers map[int]string

// byStandIn begins every answer that no Azure gave.
const byStandIn = "STAND-IN, says nothing about Azure: "

// question is one that the documentation leaves open. answer gives the words, whether there is an answer, and whether it is
// another than what bacvault assumes.
type question struct {
	text, assumed string
	answer        func(*acceptance) (words string, found, differs bool)
}

// asked are the questions, in the order of their numbers from 1.
var asked = []question{
	{"Does Put Block on the name of an immutable blob fail, and with which code?",
		"either; a 409 is handled at the staging and at the commit", tried(whatBlock)},
	{"Does Get Blob Properties show until-date and mode where the policy is the container's?",
		"absent: the end of protection is computed from the creation time and the period", (*acceptance).headers},
	{"Which 409 answers a create-only write (If-None-Match: *) over an immutable blob?",
		"BlobAlreadyExists or BlobImmutableDueToPolicy; both count as \"the name is taken\"", tried(whatPutNew, whatCommitNew)},
	{"May tags be set on an immutable blob, and a lease be taken?",
		"allowed; nothing in bacvault relies on it", tried(whatTags, whatLease)},
	{"What do the container's headers say where immutability is version-level?",
		"x-ms-immutable-storage-with-versioning-enabled: true, and x-ms-has-immutability-policy: true with a default policy",
		(*acceptance).versioned},
	{"What answers immutability headers, or a policy or hold of its own, on a blob of a container without version-level immutability?",
		"an error; bacvault never sends them", tried(whatPolicyOnPut, whatPolicyOnBlob, whatHoldOnBlob)},
	{"What does GetImmutabilityPolicy answer where there is no policy?",
		"404, or an unlocked policy of no days; the gate reads the container instead and takes both for none", found(7)},
	{"Are the documented rights enough from end to end, and is what they leave out refused?",
		"enough; deletes and policy headers are refused with 403", (*acceptance).role},
	{"Is db_datareader with VIEW DEFINITION (and the other grants of docs/grants.sql) enough for sqlpackage to export?",
		"enough", (*acceptance).exported},
	{"Does an ordinary PUT of a long-term retention policy keep the immutability of the one that it replaces?",
		"not known; bacvault refuses to put over an immutable one", found(10)},
}

func (a *acceptance) questions() (out []Question) {
	for i, q := range asked {
		words, found, differs := q.answer(a)
		if found && a.rep.StandIn {
			words = byStandIn + words
		}
		out = append(out, Question{Number: i + 1, Text: q.text, Assumed: q.assumed, Answer: words, Settled: found && !a.rep.StandIn, Differs: differs})
	}
	return out
}

func (a *acceptance) attempt(what string) (Attempt, bool) {
	i := slices.IndexFunc(a.rep.Attempts, func(at Attempt) bool { return at.What == what && at.Status != 0 })
	if i < 0 {
		return Attempt{}, false
	}
	return a.rep.Attempts[i], true
}

// tried answers with what the store said to attempts.
func tried(whats ...string) func(*acceptance) (string, bool, bool) {
	return func(a *acceptance) (string, bool, bool) {
		var said []string
		found, differs := true, false
		for _, what := range whats {
			at, there := a.attempt(what)
			if !there {
				said = append(said, what+": no answer")
				found = false
				continue
			}
			said = append(said, strings.TrimSpace(fmt.Sprintf("%s: %d %s", what, at.Status, at.Code)))
			// 403 is about who asked, not about the question.
			found, differs = found && at.Status != 403, differs || at.Differs
		}
		return strings.Join(said, "; "), found, differs
	}
}

func (a *acceptance) headers() (string, bool, bool) {
	at, there := a.attempt(whatHead)
	if !there || at.Status/100 != 2 { // a refusal has no headers of the blob
		return "no answer", false, false
	}
	var shown []string
	for _, h := range []string{"x-ms-immutability-policy-until-date", "x-ms-immutability-policy-mode", "x-ms-legal-hold"} {
		if v, there := at.Headers[h]; there {
			shown = append(shown, h+": "+v)
		}
	}
	if len(shown) == 0 {
		return "all three headers are absent", true, false
	}
	return strings.Join(shown, ", "), true, true
}

func found(n int) func(*acceptance) (string, bool, bool) {
	return func(a *acceptance) (string, bool, bool) {
		if s := a.answers[n]; s != "" {
			return s, true, false
		}
		return "not asked, or no answer; see the steps", false, false
	}
}

func (a *acceptance) versioned() (string, bool, bool) {
	s := a.answers[5]
	if s == "" {
		return "not asked: no --version-container was given, or it gave no answer", false, false
	}
	return s, true, !strings.Contains(s, "x-ms-immutable-storage-with-versioning-enabled: true")
}

// role is what was denied. An identity that may do all says nothing about the rights that are documented.
func (a *acceptance) role() (string, bool, bool) {
	var refused, taken []string
	for _, at := range a.rep.Attempts {
		if at.Status == 403 {
			refused = append(refused, at.What)
		} else if at.Status/100 == 2 {
			taken = append(taken, at.What)
		}
	}
	words := "denied by right: " + listed(refused) + "; taken: " + listed(taken)
	if !a.o.leastRights {
		return "not settled, for --least-rights was not given: run it again as the backup identity; " + words, false, false
	}
	end := a.passed(stepBackup)
	if !end {
		words = "the backup did not pass; " + words
	}
	return words, true, !end || !slices.Contains(refused, whatDelete) || !slices.Contains(refused, whatPolicyOnPut)
}

func (a *acceptance) exported() (string, bool, bool) {
	words := fmt.Sprintf("the backup with its export: passed %t", a.passed(stepBackup))
	if !a.o.leastRights {
		return "not settled, for --least-rights was not given: whoever ran this may have more rights; " + words, false, false
	}
	return words + ". Whoever makes a copy may own it, so this tells of the export of a copy alone", true, !a.passed(stepBackup)
}
