package bacpac

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// plans are the tables in the model's order and the parts to read, the largest first: the last worker to finish then has
// little left to do.
type plans struct {
	tables   []*plan
	jobs     []*job
	byTable  map[bacvault.Table]*plan
	byFolder map[string][]*plan // more than one where dots in names make it ambiguous
}

// makePlans gives every part to its table. Relationships and parts must agree both ways.
func makePlans(p *pack, notes *[]string) (*plans, error) {
	out := &plans{byTable: make(map[bacvault.Table]*plan, len(p.model.tables)), byFolder: make(map[string][]*plan, len(p.model.tables))}
	for _, t := range p.model.tables {
		pl := &plan{table: t}
		out.tables = append(out.tables, pl)
		out.byTable[t.Table] = pl
		out.byFolder[t.String()] = append(out.byFolder[t.String()], pl)
	}
	there := make(map[string]bool, len(p.rels))
	for i := range p.entries {
		e := &p.entries[i]
		there[unescape(e.name)] = true
		if err := out.assign(e, p.rels, notes); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.rels)) {
		if !there[name] {
			return nil, broken("part %s: _rels/.rels names it as data of table %s, but it is not in the archive", name, p.rels[name])
		}
	}
	for _, pl := range out.tables {
		if err := pl.lay(p.model, notes); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(out.jobs, func(a, b *job) int { return cmp.Compare(b.e.compressed, a.e.compressed) })
	return out, nil
}

// assign makes the job of one part. The XML parts were read already; what is in no table is read for its CRC.
func (ps *plans) assign(e *entry, rels map[string]bacvault.Table, notes *[]string) error {
	switch e.name {
	case partModel, partMetadata, partContentTypes, partOrigin, partRels:
		return nil
	}
	j := &job{e: e}
	ps.jobs = append(ps.jobs, j)
	folder, inData := dataFolder(e.name)
	if !inData {
		*notes = append(*notes, fmt.Sprintf("part %s is not one that a bacpac is known to have", e.name))
		return nil
	}
	if !dataPart.MatchString(e.name) {
		return ps.doubt(e, folder)
	}
	t, ok := rels[unescape(e.name)]
	if !ok {
		return broken("part %s: _rels/.rels does not name it, so an import would leave it out", e.name)
	}
	if j.plan = ps.byTable[t]; j.plan == nil {
		return broken("part %s: it holds data of table %s, which is not in model.xml", e.name, t)
	}
	j.plan.parts = append(j.plan.parts, j)
	return checkFolder(e, folder, t, notes)
}

// doubt is for BlobData-<guid>.BIN, whose reference from the rows is not known, and for kinds of part that came later.
func (ps *plans) doubt(e *entry, folder string) error {
	if len(ps.byFolder[folder]) == 0 {
		return broken("part %s: model.xml has no table for its folder", e.name)
	}
	for _, p := range ps.byFolder[folder] {
		if len(p.doubts) == 0 { // the first of many is enough
			p.doubts = append(p.doubts, "part "+e.name[strings.LastIndexByte(e.name, '/')+1:])
		}
	}
	return nil
}

// lay makes the layouts of a table that has data. A table without data needs none, whatever its types.
func (p *plan) lay(m *model, notes *[]string) error {
	if len(p.parts) == 0 {
		return nil
	}
	layouts, err := newLayouts(p.table, m)
	if err != nil {
		return broken("table %s: %v", p.table.Table, err)
	}
	p.layouts = layouts
	p.doubts = append(p.doubts, layouts[0].assumed...)
	for _, j := range p.parts {
		j.walks = make([]walked, len(layouts))
	}
	if !plainName(p.table.Schema) || !plainName(p.table.Name) {
		*notes = append(*notes, fmt.Sprintf("table %s: its name is escaped in the package, and sqlpackage before 170.3.93 may import it empty: compare rows after a restore", p.table.Table))
	}
	return nil
}

// dataFolder gives the unescaped folder of a part below Data/.
func dataFolder(name string) (string, bool) {
	rest, ok := strings.CutPrefix(name, "Data/")
	if !ok {
		return "", false
	}
	folder, _, ok := strings.Cut(rest, "/")
	return unescape(folder), ok
}

// checkFolder holds the folder against the relationships. They agree in every real archive; only names that versions of
// the tools escape in different ways are let off with a note.
func checkFolder(e *entry, folder string, t bacvault.Table, notes *[]string) error {
	switch {
	case folder == t.String():
	case plainName(t.Schema) && plainName(t.Name):
		return broken("part %s: _rels/.rels gives it to table %s, which is not its folder's", e.name, t)
	default:
		*notes = append(*notes, fmt.Sprintf("part %s: its folder is not the escaped name of table %s", e.name, t))
	}
	return nil
}
