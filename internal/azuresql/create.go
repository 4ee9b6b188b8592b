package azuresql

import (
	"context"
	"database/sql"
)

// CreateRight is what a server says of this identity's right to create databases. It is an answer and no proof: a copy may ask for more,
// and a member of ##MS_DatabaseManager## may create databases without being either of these.
type CreateRight struct {
	Member bool // of dbmanager in master
	Admin  bool // has every right in master
	Known  bool // the server said yes or no at all
}

// May says whether the server's answer is yes.
func (r CreateRight) May() bool { return r.Member || r.Admin }

// MayCreate asks the server; nothing is created.
func (s *Server) MayCreate(ctx context.Context) (CreateRight, error) {
	var member, control sql.NullInt64
	if err := s.row(ctx, master, "ask for the right to create databases in", stmtMayCreate, &member, &control); err != nil {
		return CreateRight{}, err
	}
	r := CreateRight{Member: member.Int64 == 1, Admin: control.Int64 == 1}
	r.Known = member.Valid || r.Admin
	return r, nil
}
