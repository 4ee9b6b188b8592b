package restore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/bacvault/bacvault/internal/bacvault"
)

// The words of TableCheck.Fingerprint.
const (
	printEqual   = "equal"
	printDiffers = "differs"
)

// sameContent holds the fingerprints of the manifest against those of the restored tables, and says what differs. A table
// that the manifest left out has none and is not compared.
func (r *run) sameContent(ctx context.Context) (why string, err error) {
	if r.manifest == nil || r.manifest.Fingerprint == nil {
		return "", nil
	}
	if method := r.manifest.Fingerprint.Method; method != r.Fingerprint {
		r.findings = append(r.findings, fmt.Sprintf("The manifest's fingerprints were made by %q, which this release does not make: they were not compared.", method))
		return "", nil
	}
	want := map[bacvault.Table]string{}
	var tables []bacvault.Table
	for _, t := range r.manifest.Tables {
		if t.Fingerprint != "" {
			want[t.Table] = t.Fingerprint
			tables = append(tables, t.Table)
		}
	}
	if len(tables) == 0 {
		return "", nil
	}
	got, _, err := r.Server.Fingerprint(ctx, r.target.Name, tables)
	if err != nil {
		return "", err
	}
	var differ []string
	for i := range r.result.Tables {
		c := &r.result.Tables[i]
		w, g := want[c.Table], got[c.Table]
		switch {
		case w == "":
		case g == "":
			r.findings = append(r.findings, fmt.Sprintf("Table %s has a fingerprint in the manifest and none as it was restored: its content was not compared.", c.Table))
		case w == g:
			c.Fingerprint = printEqual
		default:
			c.Fingerprint = printDiffers
			differ = append(differ, fmt.Sprintf("the fingerprint of table %s is %s, expected %s", c.Table, g, w))
		}
	}
	if len(differ) == 0 {
		return "", nil
	}
	if r.manifest.Consistency == bacvault.ConsistencyLive {
		r.findings = append(r.findings, "The source was exported live, after its fingerprints were made, and may have been written to in between: "+firstOf(differ)+".")
		return "", nil
	}
	return "has as many rows as the source, but not the same: " + firstOf(differ), nil
}

// objects sets the kinds beside each other that either side has.
func objects(model, restored bacvault.Schema) (out []bacvault.ObjectCheck) {
	for _, k := range bacvault.ObjectKinds() {
		if c := (bacvault.ObjectCheck{Kind: k, Archive: model.Objects[k], Restored: restored.Objects[k]}); c.Archive > 0 || c.Restored > 0 {
			out = append(out, c)
		}
	}
	return out
}

// schemaFindings says in which ways the restored database is not the one that was backed up, beside its rows.
func (r *run) schemaFindings(restored bacvault.Schema) (out []string) {
	tell := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	model := r.archive.Schema
	for _, c := range r.result.Objects {
		if c.Archive != c.Restored {
			tell("The archive's model has %d %s, the restored database has %d.", c.Archive, c.Kind, c.Restored)
		}
	}
	var missing []string
	for _, p := range model.Principals {
		if !slices.Contains(restored.Principals, p) {
			missing = append(missing, p)
		}
	}
	if len(missing) > 0 {
		tell("%d users or roles of the archive are missing, and with them their rights: %s.", len(missing), firstOf(missing))
	}
	collation, whose := model.Collation, "the archive's model"
	level, levelOf := model.CompatibilityLevel, whose
	if r.manifest != nil && r.manifest.Source != nil {
		if c := r.manifest.Source.Collation; c != "" {
			collation, whose = c, "the source"
		}
		if n := r.manifest.Source.CompatibilityLevel; n != 0 {
			level, levelOf = n, "the source"
		}
	}
	if got := restored.Collation; collation != "" && got != "" && collation != got {
		tell("The collation of %s is %s, that of the restored database %s.", whose, collation, got)
	}
	if got := restored.CompatibilityLevel; level != 0 && got != 0 && level != got {
		tell("The compatibility level of %s is %d, that of the restored database %d.", levelOf, level, got)
	}
	return out
}

// firstOf names a few and counts the rest.
func firstOf(list []string) string {
	const most = 5
	if more := len(list) - most; more > 0 {
		return fmt.Sprintf("%s; and %d more", strings.Join(list[:most], "; "), more)
	}
	return strings.Join(list, "; ")
}
