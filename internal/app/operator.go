package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/bacvault/bacvault/internal/bacvault"
	"github.com/bacvault/bacvault/internal/bus"
	"github.com/bacvault/bacvault/internal/promote"
	"github.com/bacvault/bacvault/internal/restore"
	"github.com/bacvault/bacvault/internal/sqlpackage"
	"github.com/bacvault/bacvault/internal/status"
	"github.com/bacvault/bacvault/internal/watch"
)

// credential is who we are. The handler is its managed identity and nobody else: a fallback there would hide a wrong
// setting. An operator is that identity too where the platform offers it, else whoever the machine is signed in as
// (environment, workload identity, az, azd, PowerShell). No browser is ever opened.
func credential(clientID string, o Options) (azcore.TokenCredential, error) {
	if signedIn(clientID, o) {
		return defaultCredential()
	}
	managed, err := managedIdentity(clientID)
	if err != nil || !o.Operator {
		return managed, err
	}
	person, err := defaultCredential()
	if err != nil {
		return nil, err
	}
	chain, err := azidentity.NewChainedTokenCredential([]azcore.TokenCredential{managed, person}, nil)
	if err != nil {
		return nil, fmt.Errorf("credential: %w", err)
	}
	return chain, nil
}

// signedIn says that nobody but a person can be meant: the platform offers no identity, or none is named.
func signedIn(clientID string, o Options) bool {
	endpoint := slices.ContainsFunc(o.Environ, func(kv string) bool {
		v, ok := strings.CutPrefix(kv, "IDENTITY_ENDPOINT=")
		return ok && v != ""
	})
	return o.Operator && (clientID == "" || !endpoint)
}

// toolLogin lets sqlpackage be whom we are.
func toolLogin(clientID string, o Options) sqlpackage.Login {
	if signedIn(clientID, o) {
		return sqlpackage.LoginDefault
	}
	return sqlpackage.LoginManagedIdentity
}

func managedIdentity(clientID string) (azcore.TokenCredential, error) {
	cred, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ClientID(clientID)})
	if err != nil {
		return nil, fmt.Errorf("managed identity: %w", err)
	}
	return cred, nil
}

func defaultCredential() (azcore.TokenCredential, error) {
	cred, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return nil, fmt.Errorf("default credential: %w", err)
	}
	return cred, nil
}

// The results of rooms that only the composition sees.
type (
	// RestoreResult is a restored, reconciled database.
	RestoreResult = restore.Result
	// StatusModel is what is protected, running and overdue.
	StatusModel = status.Model
	// NightPlan is what a night needs.
	NightPlan = watch.Plan
	// ProbeResult is what a tamper probe tried, and how the store answered.
	ProbeResult = watch.Probe
	// ProbeTry is one of its tries.
	ProbeTry = watch.Attempt
)

// Busy says who is at work, where an error means that somebody is.
func Busy(err error) (string, bool) {
	var r *restore.Busy
	var p *promote.Busy
	switch {
	case errors.As(err, &r):
		return r.Error(), true
	case errors.As(err, &p):
		return p.Error(), true
	case errors.Is(err, ErrLooking):
		return "the watch is looking; try again in some minutes", true
	}
	return "", false
}

// What Service Bus answered, where that decides how a command ends.
var (
	ErrBusDenied   = bus.ErrDenied
	ErrBusNoEntity = bus.ErrNoEntity
	ErrBusAway     = bus.ErrAway
)

// Running finds the run of a request among those that are at work now; nil is none.
func (a *App) Running(ctx context.Context, request string) (*bacvault.Progress, error) {
	list, err := a.state.Progress(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range list {
		if p.Request == request {
			return &p, nil
		}
	}
	return nil, nil
}

// Manifest reads the commit mark of a slot, and looks that its archive is there; false is none.
func (a *App) Manifest(ctx context.Context, d bacvault.Database, s bacvault.Slot) (bacvault.Manifest, bool, error) {
	m, ok, err := a.vault.Manifest(ctx, d, s)
	if err != nil || !ok {
		return m, false, err
	}
	st, there, err := a.vault.Head(ctx, m.Blob.Name)
	if err != nil {
		return m, false, err
	}
	// A manifest alone is no backup: whoever may write to the vault can lay one.
	if !there || st.Blob.Size != m.Blob.Size || !strings.EqualFold(st.Blob.SHA256, m.Blob.SHA256) {
		return m, false, bacvault.Fail(bacvault.CodeVaultPhantom, "the manifest of slot %s of %s stands for no archive that is there", s, d)
	}
	return m, true, nil
}

// Restored reads what a restore request left beside its target's name; nil as long as it is not reconciled. The request is
// one that RequestRestore gave back.
func (a *App) Restored(ctx context.Context, sent bacvault.RestoreRequest) (*RestoreResult, error) {
	srv, err := a.server(sent.Server)
	if err != nil {
		return nil, err
	}
	if sent, err = complete(sent); err != nil {
		return nil, err
	}
	m, ok, err := restoreState{a}.Mark(ctx, bacvault.Database{Server: a.restoreTarget(srv).name, Name: sent.TargetDatabase})
	if err != nil || !ok || m.Request != sent.ID {
		return nil, err
	}
	return m.Result, nil
}

// DrillProof finds the proof that a drill request wrote, passed or not; nil is none yet. Since bounds the search: proofs that
// were written before it are not read.
func (a *App) DrillProof(ctx context.Context, d bacvault.Database, request string, since time.Time) (*bacvault.Proof, error) {
	list, err := a.vault.Catalogue(ctx, d)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		for _, name := range e.ProofNames {
			// The name holds when the drill ended: those before the request, and their bytes, are of no interest.
			if e.HasManifest && name >= bacvault.ProofName(e.Blob, since) {
				p, ok, err := a.vault.ReadProof(ctx, name)
				if err != nil {
					return nil, err
				}
				if ok && p.Request != nil && p.Request.ID == request {
					return &p, nil
				}
			}
		}
	}
	return nil, nil
}
