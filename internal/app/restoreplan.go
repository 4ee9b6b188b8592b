package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/restore"
	"github.com/google/uuid"
)

// RestorePlanSchema names the plan's form.
const RestorePlanSchema = "bacvault.restore-plan.v1"

// RestorePlan is what a restore would do. Nothing was changed to learn it.
type RestorePlan struct {
	Schema   string            `json:"schema"`
	Database bacvault.Database `json:"source"`
	Blob     bacvault.Blob     `json:"blob"`
	Slot     *bacvault.Slot    `json:"slot,omitempty"`
	// Unmanifested is a file without a manifest, such as the PowerShell job's: its rows have nothing to be held against but itself.
	Unmanifested bool                  `json:"unmanifested,omitempty"`
	Consistency  bacvault.Consistency  `json:"consistency,omitempty"`
	Degraded     []string              `json:"degraded,omitempty"`
	Source       *bacvault.SourceState `json:"sourceState,omitempty"`
	// Proven is when a drill last restored this very backup; nil is never.
	Proven *time.Time        `json:"provenAt,omitempty"`
	Target bacvault.Database `json:"target"`
	// TargetFree is nil where the server did not say.
	TargetFree       *bool  `json:"targetFree,omitempty"`
	ServiceObjective string `json:"serviceObjective,omitempty"`
	Edition          string `json:"edition,omitempty"`
	MaxSizeGB        int    `json:"maxSizeGb,omitempty"`
	// DiskNeed is what the work folder must have free, in bytes. DiskFree is known where the restore would run here.
	DiskNeed int64  `json:"diskNeed"`
	DiskFree *int64 `json:"diskFree,omitempty"`
	// Obstacles are what would make the restore fail, Notes what is good to know, Unread what could not be looked at.
	Obstacles []string `json:"obstacles,omitempty"`
	Notes     []string `json:"notes,omitempty"`
	Unread    []string `json:"unread,omitempty"`
}

// PlanRestore says what a restore would do, and changes nothing.
func (a *App) PlanRestore(ctx context.Context, req bacvault.RestoreRequest) (RestorePlan, error) {
	if req.Server == "" {
		req.Server = a.onlyServer()
	}
	req, err := complete(req)
	if err != nil {
		return RestorePlan{}, err
	}
	srv, err := a.server(req.Server)
	if err != nil {
		return RestorePlan{}, err
	}
	req.Server = srv.name
	target := a.restoreTarget(srv)
	p, err := a.planRestore(ctx, a.newRestore(target, newRun()), req)
	if err != nil {
		return p, err
	}
	p.lookAtTarget(ctx, target)
	return p, nil
}

// complete fills in what a request leaves out, as the handler does with a message, and refuses what it would refuse.
func complete(r bacvault.RestoreRequest) (bacvault.RestoreRequest, error) {
	r.Schema, r.Attempt = bacvault.RestoreRequestSchema, 1
	if r.ID == "" {
		r.ID = uuid.NewString()
	}
	b, err := json.Marshal(r)
	if err != nil {
		return r, fmt.Errorf("encode the request: %w", err)
	}
	return bacvault.ParseRestoreRequest(b, bacvault.Delivery{Enqueued: time.Now()})
}

// errPlanned ends a run before it takes the lease: all up to there only reads.
var errPlanned = errors.New("the plan ends here")

// planRestore lets the run itself choose, so that a plan can't choose another backup than the restore will.
func (a *App) planRestore(ctx context.Context, r *restore.Restore, req bacvault.RestoreRequest) (RestorePlan, error) {
	seen := &seenVault{Vault: r.Vault}
	r.Vault, r.State, r.Report = seen, noState{}, func(bacvault.Progress) {}
	_, err := r.Run(ctx, req)
	if !errors.Is(err, errPlanned) {
		return RestorePlan{}, errors.Join(err, ctx.Err())
	}
	p := RestorePlan{
		Schema: RestorePlanSchema, Database: req.Database, Blob: seen.blob, Unmanifested: seen.manifest == nil,
		Target:           bacvault.Database{Server: r.Target, Name: req.TargetDatabase},
		ServiceObjective: cmp.Or(req.ServiceObjective, r.ServiceObjective), Edition: req.Edition, MaxSizeGB: cmp.Or(req.MaxSizeGB, r.MaxSizeGB),
	}
	if m := seen.manifest; m != nil {
		p.Blob, p.Slot, p.Consistency, p.Degraded, p.Source = m.Blob, &m.Slot, m.Consistency, m.Degraded, m.Source
	} else {
		p.Notes = append(p.Notes, "The file has no manifest: the restored rows are compared with the archive only.")
	}
	p.DiskNeed = 2 * p.Blob.Size // as the run's preflight has it: the archive, and as much again for sqlpackage
	if !p.Unmanifested {
		if p.Proven, err = a.proven(ctx, req.Database, p.Blob.Name); err != nil {
			p.Unread = append(p.Unread, "the drills of this backup: "+err.Error())
		}
	}
	return p, nil
}

// proven is when the newest drill of a backup passed; nil is never.
func (a *App) proven(ctx context.Context, d bacvault.Database, blob string) (*time.Time, error) {
	list, err := a.vault.Catalogue(ctx, d)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		for i := len(e.ProofNames) - 1; i >= 0 && e.Blob == blob; i-- {
			p, ok, err := a.vault.ReadProof(ctx, e.ProofNames[i])
			if err != nil {
				return nil, err
			}
			if ok && p.Passed {
				return &p.At, nil
			}
		}
	}
	return nil, nil
}

// lookAtTarget says whether the name is free.
func (p *RestorePlan) lookAtTarget(ctx context.Context, srv *server) {
	info, taken, err := srv.sql.Exists(ctx, p.Target.Name)
	if err != nil {
		p.Unread = append(p.Unread, "whether the target's name is free: "+err.Error())
		return
	}
	free := !taken
	p.TargetFree = &free
	if taken {
		p.Obstacles = append(p.Obstacles, fmt.Sprintf("a database %s exists on %s since %s; a restore never writes into an existing one",
			p.Target.Name, p.Target.Server, info.Created.UTC().Format("2006-01-02 15:04:05")))
	}
}

// lookAtDisk holds the need against the folder, or against the nearest folder above it that exists.
func (p *RestorePlan) lookAtDisk(dir string) {
	at := dir
	for at != filepath.Dir(at) {
		if _, err := os.Stat(at); err == nil {
			break
		}
		at = filepath.Dir(at)
	}
	free, err := freeBytes(at)
	if err != nil {
		p.Unread = append(p.Unread, "the free room of "+dir+": "+err.Error())
		return
	}
	if p.DiskFree = &free; free < p.DiskNeed {
		p.Obstacles = append(p.Obstacles, fmt.Sprintf("%s has %d MiB free, the restore may need %d MiB", dir, free>>20, p.DiskNeed>>20))
	}
}

// seenVault remembers which backup the run chose.
type seenVault struct {
	restore.Vault
	blob     bacvault.Blob
	manifest *bacvault.Manifest
}

func (v *seenVault) ReadManifest(ctx context.Context, name string) (bacvault.Manifest, bool, error) {
	m, ok, err := v.Vault.ReadManifest(ctx, name)
	v.blob.Name, v.manifest = bacvault.ArchiveName(name), nil
	if ok && err == nil {
		v.manifest = &m
	}
	return m, ok, err
}

func (v *seenVault) Head(ctx context.Context, blob string) (int64, bool, error) {
	size, ok, err := v.Vault.Head(ctx, blob)
	v.blob = bacvault.Blob{Name: blob, Size: size}
	return size, ok, err
}

// noState ends the run where it would begin to change something.
type noState struct{ restore.State }

func (noState) Acquire(context.Context, bacvault.Database, string, string) (context.Context, restore.Lease, string, error) {
	return nil, nil, "", errPlanned
}
