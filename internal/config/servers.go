package config

import (
	"net"
	"slices"
	"strings"
)

// Protected is a database that this app backs up; Name is "*" for all of a server's.
type Protected struct{ Server, Name string }

// all stands for every database of a server but our own ones.
const all = "*"

// Servers are the logical servers, by their short names, each with the host:port that it is reached at.
type Servers map[string]string

// Names lists them in a fixed order.
func (s Servers) Names() (out []string) {
	for name := range s {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Find gives the configured spelling of a server's name.
func (s Servers) Find(name string) (string, bool) {
	for known := range s {
		if strings.EqualFold(known, name) {
			return known, true
		}
	}
	return "", false
}

// publicSQL is the domain of the public cloud's servers.
const publicSQL = "database.windows.net"

// SQLAudience is the audience of a cloud's SQL tokens, which is called as its servers are: https://database.windows.net/ and its like
// (https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/services-id-authentication-support). What stands before
// "database", as for a private link, is no part of it; a name of one's own says nothing of the cloud and means the public one.
func SQLAudience(suffix string) string {
	if at := strings.Index("."+strings.ToLower(suffix), ".database."); at >= 0 {
		return "https://" + strings.ToLower(suffix[at:]) + "/"
	}
	return "https://" + publicSQL + "/"
}

// setServers takes SQL_SERVER_NAME: one short or full name, or several with commas.
func (c *Config) setServers(v string) error {
	c.Servers = Servers{}
	for _, full := range strings.Split(v, ",") {
		short, err := shortName(strings.TrimSpace(full))
		if err != nil {
			return err
		}
		if _, twice := c.Servers.Find(short); twice {
			return faultf("%q stands twice in the list", short)
		}
		c.Servers[short] = ""
	}
	return nil
}

// shortName takes a server's name, short or full.
func shortName(full string) (string, error) {
	short, _, _ := strings.Cut(full, ".")
	if short == "" || strings.ContainsAny(short, "/:=*, ") {
		return "", faultf("%q is not a server's name", full)
	}
	return short, nil
}

// setRestoreServer takes BACVAULT_RESTORE_SERVER_NAME: one short or full name.
func (c *Config) setRestoreServer(v string) (err error) {
	c.RestoreServer, err = shortName(v)
	return err
}

// deriveServers gives each server its address and spells out what is protected.
func (c *Config) deriveServers() (faults []error) {
	for name := range c.Servers {
		c.Servers[name] = net.JoinHostPort(name+"."+c.SQLSuffix, "1433")
	}
	faults = c.deriveAddresses()
	for _, entry := range split(c.databases) {
		servers, name := c.Servers.Names(), entry
		if s, rest, ok := strings.Cut(entry, "/"); ok {
			if known, ok := c.Servers.Find(s); ok {
				servers, name = []string{known}, rest
			}
		}
		for _, s := range servers {
			p := Protected{Server: s, Name: name}
			if name == "" || slices.Contains(c.Protected, p) {
				faults = append(faults, faultf("SQL_DATABASE_NAME: %q stands twice in the list, or names nothing", entry))
				continue
			}
			c.Protected = append(c.Protected, p)
		}
	}
	for _, p := range c.Protected {
		if p.Name == all && slices.ContainsFunc(c.Protected, func(o Protected) bool { return o.Server == p.Server && o.Name != all }) {
			faults = append(faults, faultf("SQL_DATABASE_NAME: * already holds every other database of %s", p.Server))
		}
	}
	return faults
}

// deriveAddresses takes BACVAULT_SQL_ENDPOINT. The server to restore on has an address although nothing on it is protected.
func (c *Config) deriveAddresses() (faults []error) {
	known, ours := c.Servers.Find(c.RestoreServer)
	switch {
	case ours:
		c.RestoreServer = known
	case c.RestoreServer != "":
		c.RestoreAddress = net.JoinHostPort(c.RestoreServer+"."+c.SQLSuffix, "1433")
	}
	for _, e := range split(c.sqlEndpoints) {
		name, address, named := strings.Cut(e, "=")
		if !named {
			name, address = strings.Join(c.Servers.Names(), ","), e
		}
		known, ok := c.Servers.Find(name)
		restore := !ok && name != "" && strings.EqualFold(name, c.RestoreServer)
		_, _, err := net.SplitHostPort(address)
		switch {
		case err != nil || !ok && !restore:
			faults = append(faults, faultf("BACVAULT_SQL_ENDPOINT: %q is not host:port of the one server, nor <server>=host:port of one of several", e))
		case restore:
			c.RestoreAddress = address
		default:
			c.Servers[known] = address
		}
	}
	if ours {
		c.RestoreAddress = c.Servers[known]
	}
	return faults
}

func split(v string) (out []string) {
	if v == "" {
		return nil
	}
	for _, e := range strings.Split(v, ",") {
		out = append(out, strings.TrimSpace(e))
	}
	return out
}

// Protects says whether the database is one that this app backs up.
func (c Config) Protects(server, database string) bool {
	return slices.ContainsFunc(c.Protected, func(p Protected) bool {
		return strings.EqualFold(p.Server, server) && (p.Name == database || p.Name == all && !Own(database))
	})
}

// Own says whether a database is one of ours: a copy, a restore, a drill, or one that a promotion put aside.
func Own(database string) bool {
	return strings.Contains(database, "_bacvault_") || strings.Contains(database, "_old_") || strings.HasSuffix(database, "_RESTORE")
}
