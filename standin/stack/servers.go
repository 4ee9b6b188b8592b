package stack

import (
	"crypto/tls"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bacvault/bacvault/standin/roles"
	"github.com/bacvault/bacvault/standin/sqlserver"
)

// startServers brings up the SQL servers with their databases. The management plane knows the first one only.
func (s *Stack) startServers(cert *tls.Config, table roles.Table) (err error) {
	if s.SQL, err = s.startServer(ServerName, s.opts.Databases, cert, table); err != nil {
		return err
	}
	s.More = map[string]*sqlserver.Server{}
	for _, name := range slices.Sorted(maps.Keys(s.opts.MoreServers)) {
		if s.More[name], err = s.startServer(name, s.opts.MoreServers[name], cert, table); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stack) startServer(name string, databases map[string]string, cert *tls.Config, table roles.Table) (*sqlserver.Server, error) {
	srv, err := sqlserver.Start(sqlserver.Config{
		Listen: "127.0.0.1:0", TLS: cert, ServerName: name, Authenticate: s.Identity.Authenticate, Allow: table.Allow, Clock: s.Clock, Faults: s.Faults, Log: s.opts.Log,
	})
	if err != nil {
		return nil, err
	}
	s.closes = append(s.closes, srv.Close)
	for database, file := range databases {
		if err := srv.LoadFile(database, file); err != nil {
			return nil, fmt.Errorf("load %s: %w", file, err)
		}
	}
	return srv, nil
}

// serverSettings name the servers, where each is reached, and what is protected. A server without databases is there to restore
// on: BACVAULT_RESTORE_SERVER_NAME must name it.
func (s *Stack) serverSettings() map[string]string {
	if len(s.More) == 0 {
		return map[string]string{
			"SQL_SERVER_NAME": ServerName, "SQL_DATABASE_NAME": strings.Join(slices.Sorted(maps.Keys(s.opts.Databases)), ","), "BACVAULT_SQL_ENDPOINT": s.SQL.Addr(),
		}
	}
	var names, databases, addresses []string
	add := func(name string, srv *sqlserver.Server, of map[string]string) {
		addresses = append(addresses, name+"="+srv.Addr())
		if len(of) > 0 {
			names = append(names, name)
		}
		for _, d := range slices.Sorted(maps.Keys(of)) {
			databases = append(databases, name+"/"+d)
		}
	}
	add(ServerName, s.SQL, s.opts.Databases)
	for _, name := range slices.Sorted(maps.Keys(s.More)) {
		add(name, s.More[name], s.opts.MoreServers[name])
	}
	return map[string]string{
		"SQL_SERVER_NAME": strings.Join(names, ","), "SQL_DATABASE_NAME": strings.Join(databases, ","), "BACVAULT_SQL_ENDPOINT": strings.Join(addresses, ","),
	}
}
