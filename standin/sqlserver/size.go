package sqlserver

import (
	"context"
	"regexp"
	"strconv"
	"strings"

	"github.com/bacvault/bacvault/standin/sqlserver/tds"
)

// Service objectives of single databases, and the edition that each belongs to.
var objectives = []struct {
	name    *regexp.Regexp
	edition string
}{
	{regexp.MustCompile(`(?i)^Basic$`), "Basic"},
	{regexp.MustCompile(`(?i)^S(0|1|2|3|4|6|7|9|12)$`), "Standard"},
	{regexp.MustCompile(`(?i)^P(1|2|4|6|11|15)$`), "Premium"},
	{regexp.MustCompile(`(?i)^GP_Gen5_(2|4|6|8|10|12|14|16|18|20|24|32|40|80|128)$`), "GeneralPurpose"},
	{regexp.MustCompile(`(?i)^GP_S_Gen5_(1|2|4|6|8|10|12|14|16|18|20|24|32|40|80)$`), "GeneralPurpose"},
	{regexp.MustCompile(`(?i)^BC_Gen5_(2|4|6|8|10|12|14|16|18|20|24|32|40|80|128)$`), "BusinessCritical"},
	{regexp.MustCompile(`(?i)^HS(_S)?_Gen5_(2|4|6|8|10|12|14|16|18|20|24|32|40|80)$`), "Hyperscale"},
}

const gib = int64(1) << 30

// editions are their first objectives and sizes, as the documentation of ALTER DATABASE tells them. Hyperscale has no
// maximum to choose.
var editions = []struct {
	name, objective      string
	defaultBytes, atMost int64
}{
	{"Basic", "Basic", 2 * gib, 2 * gib},
	{"Standard", "S0", 250 * gib, 1024 * gib},
	{"Premium", "P1", 500 * gib, 4096 * gib},
	{"GeneralPurpose", "GP_Gen5_2", 32 * gib, 4096 * gib},
	{"BusinessCritical", "BC_Gen5_2", 32 * gib, 4096 * gib},
	{"Hyperscale", "HS_Gen5_2", 128 * 1024 * gib, 0},
}

// defaultEdition is what a database is that nobody chose an objective for.
const defaultEdition = "GeneralPurpose"

// size is what a database has of the service, whole.
type size struct {
	edition, objective string
	maxBytes           int64
}

// size fills in what was not named.
func (d *database) size() size {
	s := size{d.edition, d.objective, d.maxBytes}
	if s.edition == "" {
		s.edition = editionOf(s.objective)
	}
	for _, e := range editions {
		if !strings.EqualFold(e.name, s.edition) {
			continue
		}
		s.edition = e.name
		if s.objective == "" {
			s.objective = e.objective
		}
		if s.maxBytes == 0 {
			s.maxBytes = e.defaultBytes
		}
	}
	return s
}

// editionOf is the edition of a known objective, and the default one without.
func editionOf(objective string) string {
	for _, o := range objectives {
		if o.name.MatchString(objective) {
			return o.edition
		}
	}
	return defaultEdition
}

func checkObjective(objective, edition string) error {
	if objective == "" {
		return nil
	}
	for _, o := range objectives {
		if o.name.MatchString(objective) {
			if edition != "" && !strings.EqualFold(edition, o.edition) {
				return errEdition(edition, objective)
			}
			return nil
		}
	}
	return errObjective(objective)
}

var maxSize = regexp.MustCompile(`^([0-9]{1,7}) (MB|GB)$`)

// sizeOf reads what a statement names of a size; empty is not named. Of the sizes that an edition has in between only the
// bounds are checked.
func sizeOf(edition, objective, maximum string) (size, error) {
	s := size{edition: edition, objective: objective}
	if err := checkObjective(objective, edition); err != nil {
		return s, err
	}
	whole := (&database{edition: edition, objective: objective}).size()
	if maximum == "" {
		return s, nil
	}
	m := maxSize.FindStringSubmatch(maximum)
	if m == nil {
		return s, tds.Errorf(40510, 16, "MAXSIZE = %s is no size to the SQL Server stand-in.", maximum)
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return s, err
	}
	s.maxBytes = n << 20
	if m[2] == "GB" {
		s.maxBytes = n << 30
	}
	for _, e := range editions {
		if e.name == whole.edition && s.maxBytes >= 100<<20 && s.maxBytes <= e.atMost {
			return s, nil
		}
	}
	return s, errMaxSize(whole.edition, maximum)
}

// showSize is DATABASEPROPERTYEX, which asks for no right beyond being in the database. While a change is under way it
// shows what was before.
func (s *session) showSize(_ context.Context, c call) error {
	s.server.mu.Lock()
	s.database.settle(s.server.cfg.Clock.Now())
	is := s.database.size()
	s.server.mu.Unlock()
	return one(c.out, append(names(2), number("", "bigint")), is.edition, is.objective, is.maxBytes)
}
