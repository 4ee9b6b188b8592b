package app

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/bacvault/bacvault/internal/azuresql"
	"github.com/bacvault/bacvault/internal/gate"
)

// Parts are rooms as they are wired for one server, for the acceptance run, which looks at each of them by itself.
type Parts struct {
	Server  string // as it is configured
	Address string
	SQL     *azuresql.Server
	// Management is nil where the settings do not say where the server lies in Azure.
	Management *azuresql.Management
	Gate       *gate.Gate
	Credential azcore.TokenCredential
	// ToolVersion asks sqlpackage.
	ToolVersion func(context.Context) (version, weakness string, err error)
}

// Parts gives them.
func (a *App) Parts(server string) (Parts, error) {
	s, err := a.server(server)
	if err != nil {
		return Parts{}, err
	}
	cred, err := credential(a.cfg.ClientID, a.opts)
	if err != nil {
		return Parts{}, err
	}
	return Parts{
		Server: s.name, Address: s.address, SQL: s.sql, Management: s.plane, Gate: a.gate, Credential: cred, ToolVersion: a.toolVersion,
	}, nil
}
