package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/azuresql"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/watch"
)

// witness is what the last nights and drills show of one need to make databases: that it could be done, that it was refused, or
// nothing. A server's answer to a question is no proof; a database that was made is.
type witness struct {
	shown, refused, nothing string // one of the three
	err                     error  // or it could not be read
}

// created says whether databases can be made on a server, without making one: the server is asked, and what the last night that
// copied and the last drill that restored show is held against its answer.
func (x *examined) created(ctx context.Context, server string, backs, restores bool) finding {
	var seen []witness
	byPlane := x.cfg.CopyBy == "management"
	if backs && x.cfg.Consistency != "live" {
		w := x.seenCopy(ctx, server)
		if byPlane {
			// The management plane is not asked what it allows; what it did is all that is known.
			if f := weighPlane(w); !restores || f.verdict != CheckOK {
				return f
			}
		}
		seen = append(seen, w)
	}
	if restores {
		seen = append(seen, x.seenDrill(ctx))
	}
	if len(seen) == 0 {
		return ok("not needed: the live database is exported")
	}
	said, err := x.servers[server].MayCreate(ctx)
	return weigh(said, err, seen, x.grant("master", "ALTER ROLE dbmanager ADD MEMBER [%s];"))
}

const showIt = "bacvault backup and bacvault drill, each with --wait, show for certain whether it can be done."

// weigh holds the server's answer against what was seen. What was refused counts for more than a yes, for a copy may need more than
// dbmanager; what was done counts for more than a no, for the right may come from elsewhere, but it may be gone since.
func weigh(said azuresql.CreateRight, asked error, seen []witness, grant string) finding {
	words := "the server says that this identity is no member of dbmanager in master"
	switch {
	case asked != nil:
		words = "whether it may create databases could not be asked (" + bacvault.AsFailure(asked, "").Detail + ")"
	case said.Admin:
		words = "the server says that this identity has every right in master"
	case said.Member:
		words = "the server says that this identity is a member of dbmanager in master"
	case !said.Known:
		words = "the server does not say whether this identity is a member of dbmanager in master"
	}
	refused, all := false, true
	for _, w := range seen {
		switch {
		case w.refused != "":
			refused, words = true, words+"; "+w.refused
		case w.err != nil:
			words += "; what was made of late could not be read: " + bacvault.AsFailure(w.err, "").Detail
		case w.nothing != "":
			words += "; nothing has shown it of late: " + w.nothing
		default:
			words += "; " + w.shown
		}
		all = all && w.shown != ""
	}
	switch no := asked == nil && said.Known && !said.May(); {
	case refused && said.May():
		return bad("If the right was granted only after that, run bacvault backup --wait, which settles it. If not, dbmanager is not enough there: "+
			"Microsoft asks of who copies a database to be its owner as well (docs/permissions.md, In the database).", "%s", words)
	case refused:
		return bad(grant+" "+showIt, "%s", words)
	case no && all:
		return warn("If it was taken away, copies and restores will fail from now on. "+grant+
			" If it comes from the server role ##MS_DatabaseManager##, which can't be asked for in master, all is well.", "%s", words)
	case no:
		return bad(grant+" "+showIt, "%s", words)
	case said.May() || all:
		return ok("%s", words)
	}
	return finding{CheckSkipped, words, showIt + " " + grant}
}

// weighPlane is the same where only the management plane makes copies.
func weighPlane(w witness) finding {
	const fix = "Grant the rights of docs/permissions.md for BACVAULT_COPY_BY=management on the server, then run bacvault backup --wait, which shows it."
	switch {
	case w.refused != "":
		return bad(fix, "%s", w.refused)
	case w.err != nil:
		return skip("%s", bacvault.AsFailure(w.err, "").Detail)
	case w.nothing != "":
		return finding{CheckSkipped, "it can't be seen without making a copy: " + w.nothing, fix}
	}
	return ok("%s", w.shown)
}

func (x *examined) seenCopy(ctx context.Context, server string) witness {
	slot, stored, err := x.lastCopy(ctx, server)
	if err != nil {
		return witness{err: err}
	}
	if denied := x.lastDenied(ctx, server); denied.At.After(stored) {
		return witness{refused: fmt.Sprintf("the backup of %s of %s was refused: %s", denied.Slot, denied.Database, denied.Detail)}
	}
	if slot.IsZero() {
		return witness{nothing: "no backup younger than " + x.cfg.MaxBackupAge.String() + " was made of a copy"}
	}
	return witness{shown: "the backup of " + slot.String() + " was made of a copy"}
}

func (x *examined) seenDrill(ctx context.Context) witness {
	switch at, err := x.lastDrill(ctx); {
	case err != nil:
		return witness{err: err}
	case at == "":
		return witness{nothing: "no drill has passed in the last " + x.cfg.MaxProofAge.String()}
	default:
		return witness{shown: "the drill of " + at + " restored"}
	}
}

// grant is the line of docs/grants.sql that gives what is missing, with the name of the identity left to the reader: a server
// knows it by a name that no setting holds.
func (x *examined) grant(database, statement string) string {
	who := "$(BackupIdentity)"
	if x.as == AsRestore {
		who = "$(RestoreIdentity)"
	}
	return "In " + database + " run: " + fmt.Sprintf(statement, who) + " (with the identity's name), or docs/grants.sql once more."
}

// lastDenied is the newest backup of a server's database that failed because no copy could be made; the zero value is none that
// is known of.
func (x *examined) lastDenied(ctx context.Context, server string) (last watch.Failed) {
	list, err := x.failures(ctx, x.now().Add(-x.cfg.MaxBackupAge))
	if err != nil {
		return last // the check of the state container tells that
	}
	for _, f := range list {
		if f.Database.Server == server && f.Code == bacvault.CodeSQLDenied && strings.Contains(f.Detail, "CREATE DATABASE") && f.At.After(last.At) {
			last = f
		}
	}
	return last
}

// lastCopy is the newest backup on a server that was made of a copy, and when it was stored; the zero slot is none that is young.
func (x *examined) lastCopy(ctx context.Context, server string) (last bacvault.Slot, stored time.Time, err error) {
	dbs, err := x.vault.Databases(ctx)
	if err != nil {
		return last, stored, err
	}
	stored = x.now().Add(-x.cfg.MaxBackupAge)
	for _, d := range dbs {
		if d.Server != server || !x.cfg.Protects(d.Server, d.Name) {
			continue
		}
		list, err := x.vault.Catalogue(ctx, d)
		if err != nil {
			return last, stored, err
		}
		for _, e := range slices.Backward(list) {
			if !e.HasManifest {
				continue
			}
			if e.Created.After(stored) {
				m, found, err := x.vault.ReadManifest(ctx, e.Blob)
				if err != nil {
					return last, stored, err
				}
				if found && m.Consistency == bacvault.ConsistencyCopy {
					last, stored = m.Slot, e.Created
				}
			}
			break
		}
	}
	return last, stored, nil
}

func (x *examined) lastDrill(ctx context.Context) (string, error) {
	dbs, err := x.vault.Databases(ctx)
	if err != nil {
		return "", err
	}
	for _, d := range dbs {
		list, err := x.vault.Catalogue(ctx, d)
		if err != nil {
			return "", err
		}
		for _, e := range slices.Backward(list) {
			if e.Proofs == 0 || e.ProofNames[e.Proofs-1] < bacvault.ProofName(e.Blob, x.now().Add(-x.cfg.MaxProofAge)) {
				continue
			}
			p, found, err := x.vault.ReadProof(ctx, e.ProofNames[e.Proofs-1])
			if err != nil {
				return "", err
			}
			if found && p.Passed {
				return p.At.UTC().Format("2006-01-02T15:04:05Z") + " of " + d.String(), nil
			}
		}
	}
	return "", nil
}
