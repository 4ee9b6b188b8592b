package azuresql

import (
	"context"
	"database/sql"
)

// NewOn makes a Server over other pools than those of TDS.
func NewOn(cfg Config, open func(database string) (*sql.DB, error)) *Server {
	return newServer(cfg, open)
}

// Classed translates a driver's error.
func Classed(err error) error { return failure(context.Background(), "ask", err) }

// Passing says whether a read is tried again after an error.
func Passing(err error) bool { return passing(err) }

// Connecting wraps an error as the connector does.
func Connecting(err error) error { return &connectError{err} }

// Tokenless wraps an error as that of the token source.
func Tokenless(err error) error { return &tokenError{err} }

// Namer tells the constant that a text was made of.
func Namer() func(string) string { return namer() }

// Filled puts a value in place of each word in braces.
func Filled(stmt string) string {
	return fill(stmt, "{table}", "[dbo].[t]", "{name}", "[a]", "{to}", "[b]", "{source}", "[s]", "{target}", "[t]",
		"{edition}", "Standard", "{objective}", "S0", "{size}", "2 GB")
}
