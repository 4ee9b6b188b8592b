package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/bus"
	"github.com/bacvault/bacvault/internal/config"
	"github.com/google/uuid"
)

// Protected lists the databases that this app backs up now.
func (a *App) Protected(ctx context.Context) ([]bacvault.Database, error) {
	names := a.cfg.Databases
	if a.cfg.AllDatabases {
		all, err := a.sql.Databases(ctx)
		if err != nil {
			return nil, err
		}
		for _, d := range all {
			if !config.Own(d.Name) {
				names = append(names, d.Name)
			}
		}
		if len(names) == 0 {
			return nil, errNothingProtected
		}
	}
	var out []bacvault.Database
	for _, n := range names {
		out = append(out, bacvault.Database{Server: a.cfg.SQLServer, Name: n})
	}
	return out, nil
}

// QueueBackups sends one request for each protected database and gives those that were sent, also beside an error.
func (a *App) QueueBackups(ctx context.Context, s bacvault.Slot, by string) (sent []bacvault.BackupRequest, err error) {
	dbs, err := a.Protected(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range dbs {
		req := bacvault.BackupRequest{
			Envelope: bacvault.Envelope{Schema: bacvault.BackupRequestSchema, ID: slotRequestID(d, s), Attempt: 1, RequestedBy: by},
			Database: d, Slot: &s,
		}
		body, err := json.Marshal(req)
		if err != nil {
			return sent, fmt.Errorf("encode the request for %s: %w", d, err)
		}
		if err := a.bus.Send(ctx, bacvault.BackupQueue, bus.Message{ID: req.MessageID(), Body: body}); err != nil {
			return sent, fmt.Errorf("queue %s: %w", d, err)
		}
		sent = append(sent, req)
	}
	return sent, nil
}

// slotRequestID is the same for every firing of one slot, so that a repeated firing is dropped by duplicate detection.
// Names may be longer than a request id, so they are hashed.
func slotRequestID(d bacvault.Database, s bacvault.Slot) string {
	sum := sha256.Sum256([]byte(d.String()))
	return "nightly-" + s.Stamp() + "-" + hex.EncodeToString(sum[:6])
}

// RequestBackup queues one backup that a person or a system asked for, and gives the request as it was sent.
func (a *App) RequestBackup(ctx context.Context, r bacvault.BackupRequest) (bacvault.BackupRequest, error) {
	r.Schema, r.Server, r.Attempt = bacvault.BackupRequestSchema, a.cfg.SQLServer, 1
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
	r.Schema, r.Server, r.Attempt = bacvault.RestoreRequestSchema, a.cfg.SQLServer, 1
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
