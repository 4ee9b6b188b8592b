package sqlpackage

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/bacvault/bacvault/standin/bacpacfile"
)

// The statements of an export. The SQL Server stand-in knows exactly these.
const (
	readModel = "SELECT model FROM standin.model;"
	readTable = "SELECT * FROM %s;"
)

func (r *run) export(ctx context.Context) error {
	if _, err := os.Stat(r.file); !r.overwrite && err == nil {
		return fmt.Errorf("the file '%s' already exists", r.file)
	}
	r.say("Connecting to database '%s' on server '%s'.", r.connection.database, r.connection.server)
	db, err := r.open(ctx, r.connection.database)
	if err != nil {
		return err
	}
	defer db.Close()

	r.say("Extracting schema")
	r.say("Extracting schema from database")
	if err := r.misbehaveSilently(ctx); err != nil {
		return err
	}
	file := &bacpacfile.File{DatabaseName: r.connection.database}
	if file.Model, err = modelOf(ctx, db); err != nil {
		return err
	}
	for _, line := range []string{"Resolving references in schema model", "Validating schema model", "Validating schema model for data package",
		"Validating schema", "Processing tables for data extraction", "Exporting data from database", "Exporting data", "Processing Export."} {
		r.say("%s", line)
	}
	for i, table := range file.Model.Tables {
		if err := r.misbehaveMidway(ctx, i == len(file.Model.Tables)/2); err != nil {
			return r.killedExport(err, file)
		}
		r.say("Processing Table '%s'.", quoteName(table.Schema, table.Name))
		rows, err := rowsOf(ctx, db, table)
		if err != nil {
			return err
		}
		file.Tables = append(file.Tables, bacpacfile.TableData{Table: table, Rows: rows})
	}
	if err := r.write(file); err != nil {
		return err
	}
	r.say("Successfully exported database and saved it to file '%s'.", r.file)
	return nil
}

func modelOf(ctx context.Context, db *sql.DB) (bacpacfile.Model, error) {
	var xml []byte
	if err := db.QueryRowContext(ctx, readModel).Scan(&xml); err != nil {
		return bacpacfile.Model{}, &scriptError{readModel, err}
	}
	return bacpacfile.ParseModel(xml)
}

func rowsOf(ctx context.Context, db *sql.DB, table bacpacfile.Table) (out [][]any, err error) {
	text := fmt.Sprintf(readTable, quoteName(table.Schema, table.Name))
	rows, err := db.QueryContext(ctx, text)
	if err != nil {
		return nil, &scriptError{text, err}
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, &scriptError{text, err}
	}
	stored, err := storedColumns(table, names)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		values := make([]any, len(names))
		targets := make([]any, len(names))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, &scriptError{text, err}
		}
		row := make([]any, len(stored))
		for i, at := range stored {
			if row[i], err = fromDriver(table.Columns[i], values[at]); err != nil {
				return nil, fmt.Errorf("table %s, column %s: %w", quoteName(table.Schema, table.Name), table.Columns[i].Name, err)
			}
		}
		out = append(out, row)
	}
	if err := rows.Err(); err != nil {
		return nil, &scriptError{text, err}
	}
	return out, nil
}

// storedColumns finds each stored column among those of a result, which has the computed ones too.
func storedColumns(table bacpacfile.Table, names []string) ([]int, error) {
	at := map[string]int{}
	for i, name := range names {
		at[name] = i
	}
	out := make([]int, len(table.Columns))
	for i, c := range table.Columns {
		n, ok := at[c.Name]
		if !ok {
			return nil, fmt.Errorf("table %s has no column %s in the database", quoteName(table.Schema, table.Name), c.Name)
		}
		out[i] = n
	}
	return out, nil
}

// write encodes the bacpac, with the fault that is planned for the file.
func (r *run) write(file *bacpacfile.File) error {
	if err := r.fault.canHit(file.Tables); err != nil {
		return misplanned(err)
	}
	o := bacpacfile.EncodeOptions{Now: r.started, Compression: r.compression}
	var end error
	for _, f := range []struct {
		do    string
		apply func() error
	}{
		{exitPartial, func() error {
			o.OmitOrigin = true
			// A surrogate pair broken in two is what the real one stumbled over.
			end = &ending{exitFailed, []string{"*** Error exporting database:The surrogate pair (0xDBA4, 0x69) is invalid. A high surrogate character (0xD800 - 0xDBFF) must always be paired with a low surrogate character (0xDC00 - 0xDFFF)."}}
			return nil
		}},
		{omitOrigin, func() error { o.OmitOrigin = true; return nil }},
		{loseRows, func() error { o.DropRowsOf = map[string]int64{r.fault.Table: r.fault.Rows}; return nil }},
		{loseTable, func() error { o.DropTable = r.fault.Table; return nil }},
		{truncate, func() error {
			var whole bytes.Buffer
			err := bacpacfile.Encode(&whole, file, o)
			o.TruncateTo = int64(whole.Len() / 2)
			return err
		}},
	} {
		fires, err := r.fault.fires(f.do)
		if err == nil && fires {
			err = f.apply()
		}
		if err != nil {
			return misplanned(err)
		}
	}
	if err := r.save(file, o); err != nil {
		return err
	}
	return end
}

func (r *run) save(file *bacpacfile.File, o bacpacfile.EncodeOptions) error {
	f, err := os.Create(r.file)
	if err != nil {
		return err
	}
	return errors.Join(bacpacfile.Encode(f, file, o), f.Close())
}

// killedExport leaves the three parts that an export killed for memory leaves, if that is how it ends.
func (r *run) killedExport(err error, file *bacpacfile.File) error {
	var end *ending
	if errors.As(err, &end) && end.code == exitKilled {
		return errors.Join(err, r.save(file, bacpacfile.EncodeOptions{Now: r.started, ModelOnly: true}))
	}
	return err
}

// quoteName is a two-part name as T-SQL and the tool's output write it.
func quoteName(schema, name string) string {
	quote := func(s string) string { return "[" + strings.ReplaceAll(s, "]", "]]") + "]" }
	return quote(schema) + "." + quote(name)
}
