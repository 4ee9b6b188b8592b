package tds

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	procByID         = 0xFFFF
	procExecuteSQL   = 10
	paramOutput      = 0x01
	transactionBegin = 5
	transactionEnd   = 7
	transactionBack  = 8
)

// dispatch reads a request and has the session answer it. What the request itself gets wrong ends the connection by
// ErrCut, for the stream cannot be trusted from there on.
func (c *conn) dispatch(ctx context.Context, kind byte, b *body, out *Results) error {
	switch kind {
	case packetBatch:
		return c.batch(ctx, b, out)
	case packetRPC:
		return c.rpc(ctx, b, out)
	case packetBulk:
		return c.bulk(ctx, b, out)
	case packetTransaction:
		return c.transact(b, out)
	}
	return broken(fmt.Errorf("packet of type %d is no request", kind))
}

func broken(err error) error { return fmt.Errorf("%w: %w", ErrCut, err) }

func (c *conn) batch(ctx context.Context, b *body, out *Results) error {
	r := &reader{r: io.LimitReader(b, messageLimit)}
	r.allHeaders()
	if r.err != nil {
		return broken(r.err)
	}
	text, err := io.ReadAll(r.r)
	if err != nil {
		return broken(err)
	}
	return c.session.Execute(ctx, fromUTF16(text), nil, out)
}

// rpc answers sp_executesql: the first two parameters are the statement and the declarations, the others bind by name.
func (c *conn) rpc(ctx context.Context, b *body, out *Results) error {
	r := &reader{r: io.LimitReader(b, messageLimit)}
	r.allHeaders()
	id, name := 0, ""
	if n := r.u16(); n == procByID {
		id = int(r.u16())
	} else {
		name = fromUTF16(r.bytes(2 * int(n)))
	}
	r.u16() // options
	var values []any
	params := map[string]any{}
	for r.err == nil && !b.drained() {
		key, status := r.bVarChar(), r.u8()
		v := r.value(r.typeInfo())
		if status&paramOutput != 0 {
			return broken(fmt.Errorf("output parameter %s", key))
		}
		values = append(values, v)
		if len(values) > 2 {
			params[key] = v
		}
	}
	if r.err != nil {
		return broken(r.err)
	}
	if id != procExecuteSQL && !strings.EqualFold(name, "sp_executesql") {
		return Errorf(2812, 16, "Could not find stored procedure '%s' (%d): the SQL Server stand-in has none.", name, id)
	}
	if len(values) == 0 {
		return Errorf(201, 16, "Procedure or function 'sp_executesql' expects parameter '@statement', which was not supplied.")
	}
	text, ok := values[0].(string)
	if !ok {
		return Errorf(214, 16, "Procedure expects parameter '@statement' of type 'ntext/nchar/nvarchar'.")
	}
	return c.session.Execute(ctx, text, params, out)
}

// bulk reads COLMETADATA, ROWs and a DONE as they arrive.
func (c *conn) bulk(ctx context.Context, b *body, out *Results) error {
	r := &reader{r: b}
	if t := r.u8(); t != tokenColumns {
		return broken(fmt.Errorf("a bulk load that begins with token 0x%02x", t))
	}
	n := int(r.u16())
	names, types := make([]string, n), make([]wireType, n)
	for i := range names {
		r.u32() // user type
		r.u16() // flags
		types[i], names[i] = r.typeInfo(), r.bVarChar()
	}
	if r.err != nil {
		return broken(r.err)
	}
	row := make([]any, n)
	rows, err := c.session.Bulk(ctx, names, func() ([]any, error) {
		switch t := r.u8(); {
		case r.err != nil:
		case t == tokenDone:
			r.bytes(12)
			if r.err == nil {
				return nil, io.EOF
			}
		case t == tokenRow:
			for i, w := range types {
				row[i] = r.value(w)
			}
		default:
			r.fail("token 0x%02x in a bulk load", t)
		}
		if r.err != nil {
			return nil, broken(r.err)
		}
		return row, ctx.Err()
	})
	if err != nil {
		return err
	}
	out.rows, out.counted = rows, true
	return nil
}

func (c *conn) transact(b *body, out *Results) error {
	r := &reader{r: io.LimitReader(b, messageLimit)}
	r.allHeaders()
	operation := r.u16()
	if r.err != nil {
		return broken(r.err)
	}
	id := func() []byte { return binary.LittleEndian.AppendUint64(nil, c.transaction) }
	switch operation {
	case transactionBegin:
		if err := c.session.Begin(); err != nil {
			return err
		}
		c.transaction++
		out.reply.write(envBytes(envBegin, id(), nil))
	case transactionEnd, transactionBack:
		end := c.session.Commit
		if operation == transactionBack {
			end = c.session.Rollback
		}
		if err := end(); err != nil {
			return err
		}
		out.reply.write(envBytes(byte(operation+2), nil, id())) // 9 committed, 10 rolled back
	default:
		return broken(errors.New("a transaction request that is not known here"))
	}
	return nil
}
