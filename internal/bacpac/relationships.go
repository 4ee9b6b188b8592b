package bacpac

import (
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// dataPart is the form of a data part's name: a partition and a file number.
var dataPart = regexp.MustCompile(`^Data/([^/]+)/TableData-\d+-\d+\.BCP$`)

// unescape undoes the percent-encoding of an OPC part name; a name that has none is itself.
func unescape(name string) string {
	if s, err := url.PathUnescape(name); err == nil {
		return s
	}
	return name
}

// readRelationships reads _rels/.rels into the table of each data part, by unescaped part name. Each part has two
// relationships with the same Target, "table=…" and "schema=…". The names stand there raw; the folder is escaped, and a dot
// in a name makes it ambiguous.
func readRelationships(r io.Reader, lim xmlLimits) (map[string]bacvault.Table, error) {
	type pair struct{ schema, table *string }
	pairs := map[string]*pair{}
	ids := map[string]bool{}
	open := func(path []element) error {
		here := path[len(path)-1]
		if len(path) == 1 && here.tag != "Relationships" {
			return fmt.Errorf("its root is %s, not Relationships", here.tag)
		}
		if len(path) != 2 || here.tag != "Relationship" {
			return nil
		}
		kind, value, ok := strings.Cut(here.attr("Type"), "=")
		if !ok || kind != "table" && kind != "schema" {
			return nil
		}
		id, target := here.attr("Id"), here.attr("Target")
		if ids[id] {
			return fmt.Errorf("relationship id %q stands there twice", id)
		}
		ids[id] = true
		if !strings.HasPrefix(target, "/Data/") {
			return fmt.Errorf("relationship %s: target %q is not below /Data/", id, target)
		}
		p := pairs[unescape(target[1:])]
		if p == nil {
			p = &pair{}
			pairs[unescape(target[1:])] = p
		}
		into := &p.table
		if kind == "schema" {
			into = &p.schema
		}
		if *into != nil {
			return fmt.Errorf("part %s has two %s relationships", target, kind)
		}
		*into = &value
		return nil
	}
	if err := scanXML(r, lim, open, nil); err != nil {
		return nil, err
	}
	tables := make(map[string]bacvault.Table, len(pairs))
	for name, p := range pairs {
		if p.schema == nil || p.table == nil {
			return nil, fmt.Errorf("part %s lacks its table or its schema relationship", name)
		}
		tables[name] = bacvault.Table{Schema: *p.schema, Name: *p.table}
	}
	return tables, nil
}

// plainName says that every version of the tools escapes a name alike. Where they differ, an import can leave the table
// empty without a word (microsoft/DacFx #637).
func plainName(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(" _-.", r))
	})
}
