package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bacvault/bacvault/internal/app"
	"github.com/bacvault/bacvault/internal/azuresql"
	"github.com/bacvault/bacvault/internal/bacvault"
)

func (a *acceptance) list(ctx context.Context) (string, error) {
	all, err := a.parts.SQL.Databases(ctx)
	if err != nil {
		return "", err
	}
	for _, d := range all {
		if d.Name == a.source {
			return fmt.Sprintf("%d databases, %s among them, %s since %s", len(all), a.source, d.State, d.Created.Format(time.RFC3339)), nil
		}
	}
	return "", fmt.Errorf("the list of %d databases lacks %s, which can be read by its name", len(all), a.source)
}

// copy makes the database that stands for the live one from here on.
func (a *acceptance) copy(ctx context.Context) (string, error) {
	if err := a.made(a.live, a.parts.SQL.Copy(ctx, a.source, a.live, "", a.cfg.CopyTimeout)); err != nil {
		return "", err
	}
	info, err := a.parts.SQL.WaitOnline(ctx, a.live, 10*time.Minute)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s is %s, created %s", a.live, info.State, info.Created.Format(time.RFC3339)), nil
}

// rights is what the doctor says of whoever runs this; what an acceptance run does not need is left out.
func (a *acceptance) rights(ctx context.Context) (string, error) {
	d, err := a.app.Doctor(ctx, app.AsBoth)
	if err != nil {
		return "", err
	}
	var said []string
	for _, c := range d.Checks {
		kind, _, _ := strings.Cut(string(c.Check), ".")
		switch {
		case kind == "bus", kind == "watch", kind == "schedule", c.Check == app.CheckBusToken:
		case c.Verdict == app.CheckOK:
			said = append(said, fmt.Sprintf("%s ok", c.Check))
		default:
			said = append(said, fmt.Sprintf("%s %s (%s)", c.Check, c.Verdict, c.Detail))
		}
	}
	return "the doctor: " + strings.Join(said, "; "), nil
}

// count is done both ways. Nobody writes to a copy, so both must agree.
func (a *acceptance) count(ctx context.Context) (string, error) {
	byStatistics, err := a.parts.SQL.Tables(ctx, a.live)
	if err != nil {
		return "", err
	}
	counted, err := a.parts.SQL.Count(ctx, a.live)
	if err != nil {
		return "", err
	}
	a.rows = counted
	var rows int64
	for table, n := range counted {
		rows += n
		if byStatistics[table] != n {
			return "", fmt.Errorf("%s: %d rows counted, %d by partition statistics, on a copy that nobody writes to", table, n, byStatistics[table])
		}
	}
	if len(counted) == 0 {
		return "", fmt.Errorf("%s has no tables: a run of it would show nothing", a.source)
	}
	return fmt.Sprintf("%d tables, %d rows, equal by COUNT_BIG and by partition statistics", len(counted), rows), nil
}

func (a *acceptance) preflight(ctx context.Context) (string, error) {
	f, err := a.parts.SQL.Preflight(ctx, a.live)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d KiB used; SELECT %t, VIEW DEFINITION %t; %d security policies, %d masked columns, UNMASK %t; a bacpac can't hold: %s; to know: %s",
		f.UsedBytes>>10, f.CanSelect, f.CanViewDefinition, f.SecurityPolicies, f.MaskedColumns, f.Unmask, listed(f.Unsupported), listed(f.Warnings)), nil
}

func listed(s []string) string {
	if len(s) == 0 {
		return "nothing"
	}
	return strings.Join(s, ", ")
}

func (a *acceptance) look(ctx context.Context) (string, error) {
	sql := a.parts.SQL
	prints, leftOut, err := sql.Fingerprint(ctx, a.live, a.rows.Tables())
	if err != nil {
		return "", err
	}
	schema, err := sql.Schema(ctx, a.live)
	if err != nil {
		return "", err
	}
	objects := 0
	for _, n := range schema.Objects {
		objects += n
	}
	health, err := sql.Health(ctx, a.live)
	if err != nil {
		return "", err
	}
	z, err := sql.Size(ctx, a.live)
	if err != nil {
		return "", err
	}
	links, err := sql.GeoLinks(ctx, a.live)
	if err != nil {
		return "", err
	}
	detail := fmt.Sprintf("%d fingerprints, left out: %s; %d objects, %d users and roles, collation %s, level %d; health: %s; %s; %d geo-replication links",
		len(prints), listed(leftOut), objects, len(schema.Principals), schema.Collation, schema.CompatibilityLevel, listed(health.Findings()), z, links)
	if z.Objective != a.size.objective {
		return detail, fmt.Errorf("the copy has objective %s and not the source's %s", z.Objective, a.size.objective)
	}
	return detail, nil
}

// copyByPlane makes and drops a copy as BACVAULT_COPY_BY=management would: of the source, for the plane hears late of what T-SQL made.
func (a *acceptance) copyByPlane(ctx context.Context) (string, error) {
	if a.parts.Management == nil {
		return "", skipped("BACVAULT_SQL_RESOURCE_GROUP is not set")
	}
	target := a.live + "_plane"
	err := a.made(target, a.parts.Management.Copy(ctx, a.source, target, "", a.cfg.CopyTimeout))
	if err != nil {
		if f := bacvault.AsFailure(err, ""); a.o.leastRights && f.Code == bacvault.CodeSQLDenied {
			return "", skipped("the documented rights leave it out where copies are made by T-SQL: " + f.Detail)
		}
		return "", err
	}
	if err := a.parts.Management.Drop(ctx, target); err != nil {
		return "", err
	}
	return "made and dropped", nil
}

// scale gives the restored database another maximum size, so that the promotion after it has something to put right.
func (a *acceptance) scale(ctx context.Context) (string, error) {
	now, err := a.parts.SQL.Size(ctx, a.restored())
	if err != nil {
		return "", err
	}
	want := azuresql.Size{Edition: now.Edition, Objective: now.Objective, MaxSizeBytes: 1 << 30} // each small objective takes 1 GB
	if now.MaxSizeBytes == want.MaxSizeBytes {
		want.MaxSizeBytes = 2 << 30
	}
	if err := a.parts.SQL.Scale(ctx, a.restored(), want, 30*time.Minute); err != nil {
		return "", err
	}
	return fmt.Sprintf("from %s to %s", now, want), nil
}

func (a *acceptance) restored() string { return a.live + "_RESTORE" }
