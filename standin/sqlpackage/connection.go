package sqlpackage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"
)

const errFormat = spoken("Format of the initialization string does not conform to specification.")

const tokenScope = "https://database.windows.net/.default"

// connection is what the stand-in takes from a SqlClient connection string: managed identity over a verified connection.
type connection struct {
	server   string // as written, for the output
	host     string
	port     int
	database string
	clientID string // empty is the system-assigned identity
	timeout  time.Duration
	encrypt  string // go-mssqldb's word
	certHost string
}

// synonyms are SqlClient's names for one keyword, blanks left out.
var synonyms = map[string]string{
	"server": "server", "datasource": "server", "address": "server", "addr": "server", "networkaddress": "server",
	"database": "database", "initialcatalog": "database",
	"authentication": "authentication", "userid": "user", "uid": "user", "user": "user",
	"password": "password", "pwd": "password",
	"encrypt": "encrypt", "trustservercertificate": "trust", "hostnameincertificate": "certhost",
	"connecttimeout": "timeout", "connectiontimeout": "timeout", "timeout": "timeout",
	// Ignored by DacFx for its own commands, or without a meaning here.
	"commandtimeout": "ignored", "applicationname": "ignored", "app": "ignored",
}

// parseConnection reads a connection string. It never repeats a value in an error: one may be a password.
func parseConnection(s string) (connection, error) {
	c := connection{timeout: 15 * time.Second, encrypt: "true"}
	pairs, err := splitConnection(s)
	if err != nil {
		return c, err
	}
	var authentication string
	for _, pair := range pairs {
		keyword, value := pair[0], pair[1]
		switch synonyms[strings.ReplaceAll(strings.ToLower(keyword), " ", "")] {
		case "server":
			err = c.setServer(value)
		case "database":
			c.database = value
		case "authentication":
			authentication = strings.ReplaceAll(strings.ToLower(value), " ", "")
		case "user":
			c.clientID = value
		case "password":
			return c, errors.New("the stand-in refuses a connection string with a password")
		case "encrypt":
			if c.encrypt = map[string]string{"true": "true", "yes": "true", "mandatory": "true", "strict": "strict"}[strings.ToLower(value)]; c.encrypt == "" {
				err = errors.New("the stand-in demands an encrypted connection")
			}
		case "trust":
			if !strings.EqualFold(value, "False") && !strings.EqualFold(value, "no") {
				err = errors.New("the stand-in refuses TrustServerCertificate")
			}
		case "certhost":
			c.certHost = value
		case "timeout":
			var seconds int
			if seconds, err = strconv.Atoi(value); err == nil && seconds > 0 {
				c.timeout = time.Duration(seconds) * time.Second
			}
		case "ignored":
		default:
			err = spoken("Keyword not supported: '" + strings.ToLower(keyword) + "'.")
		}
		if err != nil {
			return c, err
		}
	}
	switch {
	case authentication != "activedirectorymanagedidentity" && authentication != "activedirectorymsi":
		return c, errors.New("the stand-in logs in with Authentication=Active Directory Managed Identity only; SQL logins are not known")
	case c.server == "" || c.database == "":
		return c, errors.New("the connection string names no server or no database")
	}
	return c, nil
}

func (c *connection) setServer(s string) error {
	c.server, c.port = s, 1433
	address := s
	if prefix := "tcp:"; len(s) > len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
		address = s[len(prefix):]
	}
	host, port, withPort := strings.Cut(address, ",")
	c.host = strings.TrimSpace(host)
	if withPort {
		n, err := strconv.ParseUint(strings.TrimSpace(port), 10, 16)
		if err != nil {
			return errors.New("the connection string's server has no valid port")
		}
		c.port = int(n)
	}
	return nil
}

// splitConnection cuts keyword=value pairs by the rules of .NET's DbConnectionStringBuilder: values may stand in single or
// double quotes, which are doubled inside.
func splitConnection(s string) (pairs [][2]string, err error) {
	for rest := strings.TrimSpace(s); rest != ""; rest = strings.TrimLeft(rest, "; \t") {
		keyword, after, ok := strings.Cut(rest, "=")
		if !ok {
			return nil, errFormat
		}
		after = strings.TrimLeft(after, " \t")
		var value string
		if after != "" && (after[0] == '"' || after[0] == '\'') {
			if value, rest, err = unquote(after); err != nil {
				return nil, err
			}
		} else {
			value, rest, _ = strings.Cut(after, ";")
		}
		pairs = append(pairs, [2]string{strings.TrimSpace(keyword), strings.TrimSpace(value)})
	}
	return pairs, nil
}

func unquote(s string) (value, rest string, err error) {
	quote := s[:1]
	for rest = s; strings.HasPrefix(rest, quote); {
		before, after, closed := strings.Cut(rest[1:], quote)
		if !closed {
			return "", "", errFormat
		}
		if value += before; strings.HasPrefix(after, quote) {
			value += quote
		}
		rest = after
	}
	if trimmed := strings.TrimLeft(rest, " \t"); trimmed != "" && trimmed[0] != ';' {
		return "", "", errFormat
	}
	return value, rest, nil
}

// loginError is a connection that did not come about.
type loginError struct{ err error }

func (e *loginError) Error() string { return e.err.Error() }
func (e *loginError) Unwrap() error { return e.err }

// identityError is a token that was not to be had.
type identityError struct{ err error }

func (e *identityError) Error() string {
	return "ManagedIdentityCredential authentication failed: " + e.err.Error()
}
func (e *identityError) Unwrap() error { return e.err }

// spoken is an error in the words of the real tool or of a library under it.
type spoken string

func (s spoken) Error() string { return string(s) }

// open logs in to a database of the server with a fresh token of the managed identity for each connection.
func (r *run) open(ctx context.Context, database string) (*sql.DB, error) {
	c := r.connection
	if r.getenv("IDENTITY_ENDPOINT") == "" {
		// Without it azidentity would look for the instance metadata service, which is not on this machine.
		return nil, &identityError{spoken("No Managed Identity endpoint found.")}
	}
	dsn := url.URL{Scheme: "sqlserver", Host: net.JoinHostPort(c.host, strconv.Itoa(c.port)), RawQuery: url.Values{
		"database": {database}, "encrypt": {c.encrypt}, "TrustServerCertificate": {"false"},
		"dial timeout": {strconv.Itoa(int(c.timeout.Seconds()))}, "app name": {"bacvault stand-in for sqlpackage"},
	}.Encode()}
	if c.certHost != "" {
		dsn.RawQuery += "&hostNameInCertificate=" + url.QueryEscape(c.certHost)
	}
	config, err := msdsn.Parse(dsn.String())
	if err != nil {
		return nil, fmt.Errorf("read the connection string: %w", err)
	}
	var o azidentity.ManagedIdentityCredentialOptions
	if c.clientID != "" {
		o.ID = azidentity.ClientID(c.clientID)
	}
	credential, err := azidentity.NewManagedIdentityCredential(&o)
	if err != nil {
		return nil, fmt.Errorf("use the managed identity: %w", err)
	}
	// The driver may word a token's error anew, so it is kept; connections may be opened side by side.
	var refused atomic.Pointer[identityError]
	connector, err := mssql.NewSecurityTokenConnector(config, func(ctx context.Context) (string, error) {
		token, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{tokenScope}})
		if err != nil {
			refused.Store(&identityError{err})
		}
		return token.Token, err
	})
	if err != nil {
		return nil, fmt.Errorf("use the managed identity: %w", err)
	}
	db := sql.OpenDB(connector)
	if err := db.PingContext(ctx); err != nil {
		if cause := refused.Load(); cause != nil {
			return nil, errors.Join(cause, db.Close())
		}
		return nil, errors.Join(&loginError{err}, db.Close())
	}
	return db, nil
}
