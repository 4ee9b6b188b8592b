package conformance_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sqlDatabase is what the scripts change of one database: its users, the roles that they are in, and what they were granted.
// It is stricter than a server: what is done twice fails.
type sqlDatabase struct {
	name string
	has  map[string]bool // "user x", "dbmanager x", "VIEW DEFINITION x"
}

var (
	sqlEqual  = regexp.MustCompile(`^(DB_NAME\(\)|N'[^']*') (=|<>) N'([^']*)'$`)
	sqlExists = regexp.MustCompile(`^(NOT )?EXISTS \(SELECT \* FROM sys\.database_principals WHERE name = N'([^']*)'\)$`)
	sqlMember = regexp.MustCompile(`^(ISNULL\()?IS_ROLEMEMBER\(N'(\w+)', N'([^']*)'\)(?:, 0\))? = ([01])$`)
	sqlDoes   = regexp.MustCompile(`^(CREATE USER|ALTER ROLE (\w+) ADD MEMBER|ALTER ROLE (\w+) DROP MEMBER|GRANT (.+) TO|REVOKE (.+) FROM|DROP USER IF EXISTS) \[([^\]]+)\]( FROM EXTERNAL PROVIDER)?;$`)
)

func (d *sqlDatabase) holds(condition string) (bool, error) {
	for c := range strings.SplitSeq(condition, " AND ") {
		is := false
		if m := sqlEqual.FindStringSubmatch(c); m != nil {
			left := strings.Trim(m[1], "N'")
			if m[1] == "DB_NAME()" {
				left = d.name
			}
			is = (left == m[3]) == (m[2] == "=")
		} else if m := sqlExists.FindStringSubmatch(c); m != nil {
			is = d.has["user "+m[2]] == (m[1] == "")
		} else if m := sqlMember.FindStringSubmatch(c); m != nil {
			// Of a user that is not there IS_ROLEMEMBER is NULL, which equals nothing.
			is = d.has[m[2]+" "+m[3]] == (m[4] == "1") && (m[1] != "" || d.has["user "+m[3]])
		} else {
			return false, fmt.Errorf("a condition that this test does not know: %s", c)
		}
		if !is {
			return false, nil
		}
	}
	return true, nil
}

func (d *sqlDatabase) do(line string) error {
	m := sqlDoes.FindStringSubmatch(line)
	if m == nil {
		return fmt.Errorf("a statement that this test does not know: %s", line)
	}
	user := m[6]
	key, add := "user "+user, true
	switch {
	case strings.HasPrefix(line, "DROP"):
		if maps.DeleteFunc(d.has, func(k string, _ bool) bool { return k == key }); slices.ContainsFunc(slices.Collect(maps.Keys(d.has)), func(k string) bool { return strings.HasSuffix(k, " "+user) }) {
			return fmt.Errorf("%s leaves %v", line, d.has)
		}
		return nil
	case !strings.HasPrefix(line, "CREATE") && !d.has[key]:
		return fmt.Errorf("%s: there is no such user in %s", line, d.name)
	case m[2] != "":
		key = m[2] + " " + user
	case m[3] != "":
		key, add = m[3]+" "+user, false
	case m[4] != "":
		d.has[m[4]+" "+user] = true
		return nil
	case m[5] != "":
		delete(d.has, m[5]+" "+user)
		return nil
	}
	if strings.HasPrefix(key, "dbmanager ") && d.name != "master" {
		return fmt.Errorf("%s: there is no such role in %s", line, d.name)
	}
	if d.has[key] == add {
		return fmt.Errorf("%s: it is so already", line)
	}
	if d.has[key] = true; !add {
		delete(d.has, key)
	}
	return nil
}

// run does a script as far as its own few forms go: IF, BEGIN, END, ELSE and the statements above, each on a line of its own.
func (d *sqlDatabase) run(t *testing.T, file string, names map[string]string) {
	t.Helper()
	var lines []string
	for l := range strings.SplitSeq(page(t, file), "\n") {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "--") {
			lines = append(lines, regexp.MustCompile(`\$\((\w+)\)`).ReplaceAllStringFunc(l, func(v string) string {
				name, ok := names[strings.Trim(v, "$()")]
				if !ok {
					t.Fatalf("%s: %s is not given", file, v)
				}
				return name
			}))
		}
	}
	for len(lines) > 0 {
		lines = d.statement(t, file, lines, true)
	}
}

func (d *sqlDatabase) statement(t *testing.T, file string, lines []string, live bool) (rest []string) {
	t.Helper()
	if len(lines) == 0 {
		t.Fatalf("%s ends within a statement", file)
	}
	line, rest := lines[0], lines[1:]
	condition, isIf := strings.CutPrefix(line, "IF ")
	switch {
	case isIf:
		is, err := d.holds(condition)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if rest = d.statement(t, file, rest, live && is); len(rest) > 0 && rest[0] == "ELSE" {
			rest = d.statement(t, file, rest[1:], live && !is)
		}
	case line == "BEGIN":
		for len(rest) > 0 && rest[0] != "END" && rest[0] != "END;" {
			rest = d.statement(t, file, rest, live)
		}
		if len(rest) == 0 {
			t.Fatalf("%s: a BEGIN without its END", file)
		}
		rest = rest[1:]
	case live:
		if err := d.do(line); err != nil {
			t.Errorf("%s in %s: %v", file, d.name, err)
		}
	}
	return rest
}

func (d *sqlDatabase) holdings() []string { return slices.Sorted(maps.Keys(d.has)) }

func TestGrantsScriptGivesTheTableOfRolesAndNoMore(t *testing.T) {
	atTop(t)
	names := map[string]string{"BackupIdentity": "Backup", "RestoreIdentity": "Restore"}
	want := map[string]map[string]bool{"master": {}, "Orders": {}}
	for _, r := range rights(t) {
		right, isSQL := strings.CutPrefix(r.action, "sql/")
		switch {
		case !isSQL:
		case right == "login":
			want["master"]["user "+r.who] = true
		case r.place == "master":
			want["master"][right+" "+r.who] = true
		default:
			// Who is granted something in a database has a user there, and SELECT needs its ON.
			want["Orders"]["user "+r.who], want["Orders"][strings.Replace(right, "SELECT sys.", "SELECT ON sys.", 1)+" "+r.who] = true, true
		}
	}
	if len(want["master"]) != 4 || len(want["Orders"]) < 5 {
		t.Fatalf("the table of roles was not found: %v", want)
	}
	for name, has := range want {
		d := &sqlDatabase{name, map[string]bool{}}
		for range 2 {
			d.run(t, "docs/grants.sql", names)
			same(t, "docs/grants.sql in "+name, d.holdings(), slices.Sorted(maps.Keys(has)))
		}
		for range 2 {
			d.run(t, "docs/grants-revoke.sql", map[string]string{"Identity": "Backup"})
			d.run(t, "docs/grants-revoke.sql", map[string]string{"Identity": "Restore"})
			if left := d.holdings(); len(left) > 0 {
				t.Errorf("docs/grants-revoke.sql leaves %v in %s", left, name)
			}
		}
		d.run(t, "docs/grants.sql", map[string]string{"BackupIdentity": "none", "RestoreIdentity": "none"})
		if got := d.holdings(); len(got) > 0 {
			t.Errorf("none was given %v in %s", got, name)
		}
		if name == "master" {
			d.run(t, "docs/grants.sql", map[string]string{"BackupIdentity": "none", "RestoreIdentity": "Restore"})
			same(t, "docs/grants.sql on the server of restores", d.holdings(), []string{"dbmanager Restore", "user Restore"})
		}
	}
}

// The line that is left out until it is agreed on is one that the scripts know to take back.
func TestUnmaskIsGrantedByHandOnly(t *testing.T) {
	atTop(t)
	const grant = "    -- GRANT UNMASK TO [$(BackupIdentity)];\n"
	if n := strings.Count(page(t, "docs/grants.sql"), "UNMASK"); n != 1 || !strings.Contains(page(t, "docs/grants.sql"), grant) {
		t.Errorf("docs/grants.sql names UNMASK %d times", n)
	}
	d := &sqlDatabase{"Orders", map[string]bool{"user b": true, "UNMASK b": true}}
	d.run(t, "docs/grants-revoke.sql", map[string]string{"Identity": "b"})
	if left := d.holdings(); len(left) > 0 {
		t.Errorf("docs/grants-revoke.sql leaves %v", left)
	}
}

// checkPromotionGrants runs the script of a promotion, twice; sql are the rights that the table has for one.
func checkPromotionGrants(t *testing.T, sql []string) {
	t.Helper()
	for _, name := range []string{"master", "Orders"} {
		d, names := &sqlDatabase{name, map[string]bool{}}, map[string]string{"PromoteIdentity": "p"}
		want := []string{"user p"}
		for _, right := range sql {
			if right = strings.TrimPrefix(right, "sql/"); right != "login" && (right == "dbmanager") == (name == "master") {
				want = append(want, right+" p")
			}
		}
		for range 2 {
			d.run(t, "docs/grants-promote.sql", names)
			same(t, "docs/grants-promote.sql in "+name, d.holdings(), want)
		}
		d.run(t, "docs/grants-revoke.sql", map[string]string{"Identity": "p"})
		if left := d.holdings(); len(left) > 0 {
			t.Errorf("docs/grants-revoke.sql leaves %v in %s", left, name)
		}
	}
}
