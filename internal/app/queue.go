package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/bus"
	"github.com/bacvault/bacvault/internal/config"
	"github.com/bacvault/bacvault/internal/drill"
	"github.com/google/uuid"
)

// Protected lists the databases that this app backs up now. A server that can't be asked for its databases is told in the
// error; what the others have is listed all the same, for one must not hide another.
func (a *App) Protected(ctx context.Context) (out []bacvault.Database, err error) {
	for _, p := range a.cfg.Protected {
		if p.Name != "*" {
			out = append(out, bacvault.Database{Server: p.Server, Name: p.Name})
			continue
		}
		found, lerr := a.servers[p.Server].sql.Databases(ctx)
		if lerr != nil {
			err = errors.Join(err, fmt.Errorf("list the databases of %s: %w", p.Server, lerr))
		}
		for _, d := range found {
			if !config.Own(d.Name) {
				out = append(out, bacvault.Database{Server: p.Server, Name: d.Name})
			}
		}
	}
	if len(out) == 0 && err == nil {
		err = errNothingProtected
	}
	return out, err
}

// Unprotected lists the databases that the servers have and nobody backs up, so that a new one is not forgotten in silence.
func (a *App) Unprotected(ctx context.Context) (out []bacvault.Database, err error) {
	for _, name := range a.cfg.Servers.Names() {
		found, lerr := a.servers[name].sql.Databases(ctx)
		if lerr != nil {
			err = errors.Join(err, fmt.Errorf("list the databases of %s: %w", name, lerr))
		}
		for _, d := range found {
			if !config.Own(d.Name) && !a.cfg.Protects(name, d.Name) {
				out = append(out, bacvault.Database{Server: name, Name: d.Name})
			}
		}
	}
	return out, err
}

// QueueBackups sends one request for each protected database, in batches. It gives those that were sent, also beside an
// error: what could be queued is queued.
func (a *App) QueueBackups(ctx context.Context, s bacvault.Slot, by string) (sent []bacvault.BackupRequest, err error) {
	dbs, err := a.Protected(ctx)
	var messages []bus.Message
	for _, d := range dbs {
		req := bacvault.BackupRequest{
			Envelope: bacvault.Envelope{Schema: bacvault.BackupRequestSchema, ID: slotRequestID(d, s), Attempt: 1, RequestedBy: by},
			Database: d, Slot: &s,
		}
		body, merr := json.Marshal(req)
		if merr != nil {
			return sent, errors.Join(err, fmt.Errorf("encode the request for %s: %w", d, merr))
		}
		sent = append(sent, req)
		messages = append(messages, bus.Message{ID: req.MessageID(), Body: body})
	}
	n, serr := a.bus.SendAll(ctx, bacvault.BackupQueue, messages)
	return sent[:n], errors.Join(err, serr)
}

// QueueDrills sends one drill for each protected database that has backups, in batches. choice is the word that says which
// backup. Like QueueBackups it gives those that were sent, also beside an error.
func (a *App) QueueDrills(ctx context.Context, s bacvault.Slot, choice, by string) (sent []bacvault.RestoreRequest, err error) {
	dbs, err := a.drillable(ctx)
	if err != nil {
		return nil, err
	}
	var messages []bus.Message
	for _, d := range dbs {
		req := drillRequest(d, s, choice, by)
		body, err := json.Marshal(req)
		if err != nil {
			return nil, fmt.Errorf("encode the drill of %s: %w", d, err)
		}
		sent = append(sent, req)
		messages = append(messages, bus.Message{ID: req.MessageID(), Body: body})
	}
	n, err := a.bus.SendAll(ctx, bacvault.RestoreQueue, messages)
	return sent[:n], err
}

func drillRequest(d bacvault.Database, s bacvault.Slot, choice, by string) bacvault.RestoreRequest {
	req := bacvault.RestoreRequest{
		Envelope: bacvault.Envelope{Schema: bacvault.RestoreRequestSchema, ID: firingID("drill", d, s), Attempt: 1, RequestedBy: by},
		Kind:     bacvault.KindDrill, Database: d, Backup: choice,
	}
	// Left to its default the target would be longer than a name may be where the database's is long itself.
	req.TargetDatabase = drill.Target(req)
	return req
}

// drillable lists the protected databases that have backups. The vault says which, not the servers: a drill must also come
// where the source's server is gone.
func (a *App) drillable(ctx context.Context) (out []bacvault.Database, err error) {
	dbs, err := a.vault.Databases(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the databases that have backups: %w", err)
	}
	for _, d := range dbs {
		if a.cfg.Protects(d.Server, d.Name) {
			out = append(out, d)
		}
	}
	if len(out) == 0 {
		return nil, errNothingToDrill
	}
	return out, nil
}

// errNothingToDrill is a drill that would have been silent.
var errNothingToDrill = errors.New("the vault holds no backup of a protected database: there is nothing to drill")

// slotRequestID is the same for every firing of one slot, so that a repeated firing is dropped by duplicate detection.
// Names may be longer than a request id, so they are hashed.
func slotRequestID(d bacvault.Database, s bacvault.Slot) string { return firingID("nightly", d, s) }

func firingID(kind string, d bacvault.Database, s bacvault.Slot) string {
	sum := sha256.Sum256([]byte(d.String()))
	return kind + "-" + s.Stamp() + "-" + hex.EncodeToString(sum[:6])
}

// RequestBackup queues one backup that a person or a system asked for, and gives the request as it was sent.
func (a *App) RequestBackup(ctx context.Context, r bacvault.BackupRequest) (bacvault.BackupRequest, error) {
	r.Schema, r.Attempt = bacvault.BackupRequestSchema, 1
	if r.Server == "" {
		r.Server = a.onlyServer()
	}
	if r.ID == "" {
		r.ID = uuid.NewString()
	}
	return r, a.sendChecked(ctx, bacvault.BackupQueue, r.MessageID(), r, func(b []byte) error {
		_, err := bacvault.ParseBackupRequest(b, bacvault.Delivery{Enqueued: time.Now()})
		return err
	})
}

// RequestRestore queues one restore, and gives the request as it was sent.
func (a *App) RequestRestore(ctx context.Context, r bacvault.RestoreRequest) (bacvault.RestoreRequest, error) {
	r.Schema, r.Attempt = bacvault.RestoreRequestSchema, 1
	if r.Server == "" {
		r.Server = a.onlyServer()
	}
	if r.ID == "" {
		r.ID = uuid.NewString()
	}
	return r, a.sendChecked(ctx, bacvault.RestoreQueue, r.MessageID(), r, func(b []byte) error {
		_, err := bacvault.ParseRestoreRequest(b, bacvault.Delivery{Enqueued: time.Now()})
		return err
	})
}

// sendChecked refuses here what the handler would dead-letter there.
func (a *App) sendChecked(ctx context.Context, queue, id string, v any, check func([]byte) error) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the request: %w", err)
	}
	if err := check(body); err != nil {
		return err
	}
	return a.bus.Send(ctx, queue, bus.Message{ID: id, Body: body})
}

// onlyServer is whom a request means that names no server; empty where there are several.
func (a *App) onlyServer() string {
	if names := a.cfg.Servers.Names(); len(names) == 1 {
		return names[0]
	}
	return ""
}
