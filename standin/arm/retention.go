package arm

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bacvault/bacvault/standin/blob"
)

// The api-versions of the two policies: those that armsql 1.2.0 sends, and newer ones that also tell of immutability.
const (
	shortTermVersion = "2021-02-01-preview"
	longTermVersion  = "2020-11-01-preview"
)

var immutabilityVersions = []string{"2024-11-01-preview", "2025-01-01"}

const (
	shortTermPolicies   = "backupShortTermRetentionPolicies"
	longTermPolicies    = "backupLongTermRetentionPolicies"
	shortTermOperations = "shortTermRetentionPolicyAzureAsyncOperation"
	longTermOperations  = "longTermRetentionPolicyAzureAsyncOperation"
)

// Retention is what both policies of a database say. Durations are ISO 8601; PT0S is none.
type Retention struct {
	RetentionDays, DiffHours int
	Weekly, Monthly, Yearly  string
	WeekOfYear               int
	// Immutability is empty, "Unlocked" or "Locked": time-based immutability of long-term backups.
	Immutability string
}

// newRetention is what every database begins with, copies and imports too: nothing is inherited.
func newRetention() Retention {
	return Retention{RetentionDays: 7, DiffHours: 12, Weekly: "PT0S", Monthly: "PT0S", Yearly: "PT0S"}
}

var retentionFaults = []string{"fail-operation", "hang-operation", "slow-operation"}

// lateRetention is a change that a slow operation makes when its time has come.
type lateRetention struct {
	at time.Time
	to Retention
}

var retentionOperations = map[string]operation{
	"GET " + shortTermPolicies: {databases + shortTermPolicies + "/read", "arm.retention", nil, (*Server).getShortTerm},
	"PUT " + shortTermPolicies: {databases + shortTermPolicies + "/write", "arm.retention.write", retentionFaults, (*Server).putShortTerm},
	"GET " + longTermPolicies:  {databases + longTermPolicies + "/read", "arm.retention", nil, (*Server).getLongTerm},
	"PUT " + longTermPolicies:  {databases + longTermPolicies + "/write", "arm.retention.write", retentionFaults, (*Server).putLongTerm},
}

// parseRetention takes what follows a database apart, and says which api-version is right there.
func parseRetention(method, policy, name, version string) (op operation, known string, ok bool) {
	if !strings.EqualFold(name, "default") {
		return op, "", false
	}
	for _, kind := range []string{shortTermPolicies, longTermPolicies} {
		if strings.EqualFold(kind, policy) {
			op, ok = retentionOperations[method+" "+kind]
			known = map[string]string{shortTermPolicies: shortTermVersion, longTermPolicies: longTermVersion}[kind]
			if kind == longTermPolicies && slices.Contains(immutabilityVersions, version) {
				known = version
			}
		}
	}
	return op, known, ok
}

// retentionOf finds a database and its policies, which stay with it under another name.
func (s *Server) retentionOf(database string) (Database, Retention, error) {
	d, ok := s.cfg.Databases.Describe(database)
	if !ok {
		return d, Retention{}, noResource("Microsoft.Sql/servers/"+s.cfg.Databases.Server+"/databases/"+database, s.cfg.ResourceGroup)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if late, ok := s.late[d.ID]; ok && !s.cfg.Clock.Now().Before(late.at) {
		s.retentions[d.ID] = late.to
		delete(s.late, d.ID)
	}
	if r, ok := s.retentions[d.ID]; ok {
		return d, r, nil
	}
	return d, newRetention(), nil
}

// Retention tells the policies of a database without a right.
func (s *Server) Retention(database string) (Retention, bool) {
	_, r, err := s.retentionOf(database)
	return r, err == nil
}

// SetRetention puts a database's policies down unchecked, as another tool or a portal did. It is also how a test makes the
// long-term policy immutable.
func (s *Server) SetRetention(database string, r Retention) error {
	d, _, err := s.retentionOf(database)
	if err == nil {
		s.keepRetention(d, r)
	}
	return err
}

func (s *Server) keepRetention(d Database, r Retention) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retentions[d.ID] = r
}

func (s *Server) policyOf(d Database, kind string, properties any) resource {
	return resource{
		ID: s.serverID() + "/databases/" + d.Name + "/" + kind + "/default", Name: "default", Type: databases + kind, Properties: properties,
	}
}

func (s *Server) getShortTerm(_ context.Context, c call) (int, any, error) {
	d, r, err := s.retentionOf(c.database)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, s.policyOf(d, shortTermPolicies, map[string]any{"retentionDays": r.RetentionDays, "diffBackupIntervalInHours": r.DiffHours}), nil
}

func (s *Server) getLongTerm(_ context.Context, c call) (int, any, error) {
	d, r, err := s.retentionOf(c.database)
	if err != nil {
		return 0, nil, err
	}
	properties := map[string]any{"weeklyRetention": r.Weekly, "monthlyRetention": r.Monthly, "yearlyRetention": r.Yearly, "weekOfYear": r.WeekOfYear}
	if c.version != longTermVersion {
		properties["timeBasedImmutability"] = "Disabled"
		if r.Immutability != "" {
			properties["timeBasedImmutability"], properties["timeBasedImmutabilityMode"] = "Enabled", r.Immutability
		}
	}
	return http.StatusOK, s.policyOf(d, longTermPolicies, properties), nil
}

// putShortTerm replaces the policy: what is not sent gets its default.
func (s *Server) putShortTerm(_ context.Context, c call) (int, any, error) {
	var want struct {
		Properties struct{ RetentionDays, DiffBackupIntervalInHours *int }
	}
	d, r, err := s.retentionToPut(c, &want)
	if err != nil {
		return 0, nil, err
	}
	fresh := newRetention()
	r.RetentionDays, r.DiffHours = fresh.RetentionDays, fresh.DiffHours
	if n := want.Properties.RetentionDays; n != nil {
		r.RetentionDays = *n
	}
	if n := want.Properties.DiffBackupIntervalInHours; n != nil {
		r.DiffHours = *n
	}
	most := 35
	if d.Edition == "Basic" {
		most = 7
	}
	switch {
	case r.RetentionDays < 1 || r.RetentionDays > most:
		return 0, nil, &blob.Refusal{Status: 400, Code: "InvalidBackupRetentionPeriod", Message: fmt.Sprintf(
			"The retention days of %d is not a valid configuration. Valid backup retention in days must be between 1 and %d", r.RetentionDays, most)}
	case r.DiffHours != 12 && r.DiffHours != 24:
		return 0, nil, &blob.Refusal{Status: 400, Code: "InvalidDiffBackupIntervalHours", Message: fmt.Sprintf(
			"A differential backup interval of %d hours is not valid: it must be 12 or 24.", r.DiffHours)}
	}
	return s.putRetention(c, d, r, shortTermOperations)
}

// putLongTerm replaces the policy. What a PUT of an old api-version does to immutability is not documented; the worst is
// acted: it takes an unlocked one away, as a replacement that does not name it, and is refused over a locked one. A yearly
// retention wants a week of the year even where it is none (azure-rest-api-specs #18259), and then shows week 0.
func (s *Server) putLongTerm(_ context.Context, c call) (int, any, error) {
	var want struct {
		Properties struct {
			WeeklyRetention, MonthlyRetention string
			YearlyRetention                   *string
			WeekOfYear                        int
			TimeBasedImmutability             string
		}
	}
	d, r, err := s.retentionToPut(c, &want)
	if err != nil {
		return 0, nil, err
	}
	p := want.Properties
	if r.Immutability == "Locked" {
		return 0, nil, &blob.Refusal{Status: 409, Code: "LongTermRetentionPolicyImmutable", Message: "The stand-in changes no long-term retention policy whose immutability is locked."}
	}
	r.Immutability = ""
	if c.version != longTermVersion && strings.EqualFold(p.TimeBasedImmutability, "Enabled") {
		r.Immutability = "Unlocked"
	}
	yearly := ""
	if p.YearlyRetention != nil { // even PT0S
		if yearly = *p.YearlyRetention; p.WeekOfYear < 1 || p.WeekOfYear > 52 {
			return 0, nil, &blob.Refusal{Status: 400, Code: "LongTermRetentionMissingWeekOfYear", Message: "A yearly retention needs a week of the year from 1 to 52."}
		}
	}
	for _, one := range []struct {
		to    *string
		value string
	}{{&r.Weekly, p.WeeklyRetention}, {&r.Monthly, p.MonthlyRetention}, {&r.Yearly, yearly}} {
		if *one.to, err = longTermOf(one.value); err != nil {
			return 0, nil, err
		}
	}
	if r.WeekOfYear = 0; r.Yearly != "PT0S" {
		r.WeekOfYear = p.WeekOfYear
	}
	return s.putRetention(c, d, r, longTermOperations)
}

func (s *Server) retentionToPut(c call, into any) (Database, Retention, error) {
	d, r, err := s.retentionOf(c.database)
	if err == nil {
		err = c.decode(into)
	}
	return d, r, err
}

// putRetention does it at once, and gives the operation an address that says so.
func (s *Server) putRetention(c call, d Database, r Retention, operations string) (int, any, error) {
	op := operationOf{kind: operations, begun: s.cfg.Clock.Now()}
	switch c.fault.Do {
	case "fail-operation":
		if op.code = c.fault.Code; op.code == "" {
			op.code = "InternalServerError"
		}
	case "hang-operation":
		op.hangs = true
		s.keepRetention(d, r)
	case "slow-operation":
		op.ends = op.begun.Add(c.fault.Wait)
		s.mu.Lock()
		s.late[d.ID] = lateRetention{op.ends, r}
		s.mu.Unlock()
	default:
		s.keepRetention(d, r)
	}
	s.begin(c, op)
	return http.StatusAccepted, map[string]any{"operation": "UpdateRetentionPolicy", "startTime": op.begun}, nil
}

func invalidLongTerm(what string) error {
	return &blob.Refusal{Status: 400, Code: "LongTermRetentionPolicyInvalid", Message: "The long term retention policy is not valid: " + what + "."}
}

var duration = regexp.MustCompile(`^P([0-9]{1,4})([DWMY])$`)

// longTermOf checks a duration: none, or from a week to ten years.
func longTermOf(value string) (string, error) {
	if value == "" || value == "PT0S" || value == "P0D" {
		return "PT0S", nil
	}
	m := duration.FindStringSubmatch(value)
	if m == nil {
		return "", invalidLongTerm(strconv.Quote(value) + " is no duration to the stand-in")
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return "", err
	}
	days := map[string]float64{"D": 1, "W": 7, "M": 30.4375, "Y": 365.25}[m[2]] * float64(n)
	if days < 7 || days > 3653 {
		return "", invalidLongTerm(strconv.Quote(value) + " is not between a week and ten years")
	}
	return value, nil
}
