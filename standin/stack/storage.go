package stack

import (
	"context"
	"crypto/tls"

	"github.com/bacvault/bacvault/standin/arm"
	"github.com/bacvault/bacvault/standin/blob"
	"github.com/bacvault/bacvault/standin/roles"
)

// startStorage brings up both planes of the storage accounts, over one state of policies.
func (s *Stack) startStorage(ctx context.Context, cert *tls.Config, table roles.Table) (err error) {
	s.Policies = blob.NewPolicies(s.Clock)
	if s.Blob, err = blob.Start(blob.Config{
		TLS: cert, Azurite: s.opts.Store.process.Addr(), Accounts: s.opts.Store.keys, Policies: s.Policies,
		Authenticate: s.Identity.Authenticate, Allow: table.Allow, Clock: s.Clock, Faults: s.Faults, Log: s.opts.Log,
	}); err != nil {
		return err
	}
	s.closes = append(s.closes, s.Blob.Close)
	if err := s.Blob.CreateContainer(ctx, s.Places.VaultAccount, s.Places.VaultContainer, blob.ContainerLevel); err != nil {
		return err
	}
	if err := s.Blob.CreateContainer(ctx, s.Places.StateAccount, s.Places.StateContainer, blob.ContainerLevel); err != nil {
		return err
	}
	if s.opts.PolicyDays > 0 {
		if err := s.Policies.Protect(s.Places.VaultAccount, s.Places.VaultContainer, s.opts.PolicyDays, !s.opts.Unlocked); err != nil {
			return err
		}
	}
	if s.ARM, err = arm.Start(arm.Config{
		TLS: cert, Subscription: Subscription, ResourceGroup: ResourceGroup, Accounts: []string{s.Places.VaultAccount, s.Places.StateAccount}, Policies: s.Policies,
		CreateContainer: s.Blob.CreateContainer, DeleteContainer: s.Blob.DeleteContainer, Databases: s.databases(),
		Authenticate: s.Identity.Authenticate, Allow: table.Allow, Clock: s.Clock, Faults: s.Faults, Log: s.opts.Log,
	}); err != nil {
		return err
	}
	s.closes = append(s.closes, s.ARM.Close)
	return nil
}

// databases shows the SQL server to the management plane. The server starts later; nobody asks before.
func (s *Stack) databases() arm.Databases {
	return arm.Databases{
		Server: ServerName,
		Copy: func(source, target, objective, fault string) error {
			return s.SQL.Copy(source, target, "", objective, fault)
		},
		Drop: func(name string) error { return s.SQL.Drop(name) },
		List: func() []string { return s.SQL.Databases() },
		Describe: func(name string) (arm.Database, bool) {
			d, ok := s.SQL.Describe(name)
			return arm.Database(d), ok
		},
	}
}
