package sqlpackage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"

	mssql "github.com/microsoft/go-mssqldb"

	"github.com/bacvault/bacvault/standin/bacpacfile"
)

// The statements of an import, beside CREATE DATABASE and the bulk load. The SQL Server stand-in knows exactly these.
const (
	countTables   = "SELECT COUNT_BIG(*) FROM sys.objects WHERE is_ms_shipped = 0 AND type = 'U';"
	createSchema  = "EXEC standin.create_from_model @model;"
	enableIndexes = "EXEC standin.enable_indexes;"
	enableOnly    = "EXEC standin.enable_indexes_only;"
)

const cannotOpenDatabase = 4060

func (r *run) importFile(ctx context.Context) error {
	r.say("Importing to database '%s' on server '%s'.", r.connection.database, r.connection.server)
	file, err := r.load()
	if err != nil {
		return err
	}
	db, err := r.openTarget(ctx)
	if err != nil {
		return err
	}
	defer db.Close()

	r.say("Creating deployment plan")
	r.say("Initializing deployment")
	if err := r.refuseUsedTarget(ctx, db); err != nil {
		return err
	}
	for _, line := range []string{"Verifying deployment plan", "Analyzing deployment plan", "Importing package schema and data into database", "Updating database"} {
		r.say("%s", line)
	}
	model, err := r.modelToCreate(file.Model.XML)
	if err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, createSchema, sql.Named("model", model)); err != nil {
		return &scriptError{createSchema, err}
	}
	r.say("Importing data")
	if err := r.misbehaveSilently(ctx); err != nil {
		return err
	}
	if err := r.importData(ctx, db, file); err != nil {
		return err
	}
	if err := r.finish(ctx, db); err != nil {
		return err
	}
	r.say("Successfully imported database.")
	return nil
}

// finish enables the indexes and trusts the constraints, as far as no fault leaves them.
func (r *run) finish(ctx context.Context, db *sql.DB) error {
	if fires, err := r.fault.fires(leaveIndexes); err != nil {
		return misplanned(err)
	} else if fires {
		return nil
	}
	text := enableIndexes
	if fires, err := r.fault.fires(leaveUntrusted); err != nil {
		return misplanned(err)
	} else if fires {
		text = enableOnly
	}
	if r.disableIndexes {
		r.say("Enabling indexes.")
	}
	if _, err := db.ExecContext(ctx, text); err != nil {
		return &scriptError{text, err}
	}
	return nil
}

// load reads the package; its faults are told before the server is asked for anything.
func (r *run) load() (*bacpacfile.File, error) {
	f, err := os.Open(r.file)
	if err != nil {
		return nil, &ending{exitFailed, []string{fmt.Sprintf("*** Error importing database:Could not load package from '%s'.", r.file), oneLine(err)}}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	file, err := bacpacfile.Decode(f, info.Size())
	if err == nil {
		return file, nil
	}
	reason := oneLine(err)
	switch {
	case errors.Is(err, bacpacfile.ErrOriginMissing):
		reason = "'Origin.xml' is missing from the dacpac package."
	case errors.Is(err, bacpacfile.ErrCorrupted):
		reason = "File contains corrupted data."
	}
	return nil, &ending{exitFailed, []string{fmt.Sprintf("*** Error importing database:Could not load package from '%s'.", r.file), reason}}
}

// openTarget logs in to the target, which it creates if the server says that it cannot be opened.
func (r *run) openTarget(ctx context.Context) (*sql.DB, error) {
	db, err := r.open(ctx, r.connection.database)
	var server mssql.Error
	if err == nil || !errors.As(err, &server) || !hasNumber(server, cannotOpenDatabase) {
		return db, err
	}
	master, err := r.open(ctx, "master")
	if err != nil {
		return nil, err
	}
	defer master.Close()
	text := r.createDatabase()
	if _, err := master.ExecContext(ctx, text); err != nil {
		return nil, &scriptError{text, err}
	}
	return r.open(ctx, r.connection.database)
}

// hasNumber looks at all errors of an answer, because the driver's Number is the last one's.
func hasNumber(e mssql.Error, number int32) bool {
	for _, t := range tokens(e) {
		if t.Number == number {
			return true
		}
	}
	return false
}

func (r *run) createDatabase() string {
	var with []string
	if r.edition != "" {
		with = append(with, "EDITION = '"+r.edition+"'")
	}
	if r.objective != "" {
		with = append(with, "SERVICE_OBJECTIVE = '"+r.objective+"'")
	}
	if r.maxSizeGB > 0 {
		with = append(with, fmt.Sprintf("MAXSIZE = %d GB", r.maxSizeGB))
	}
	text := "CREATE DATABASE [" + strings.ReplaceAll(r.connection.database, "]", "]]") + "]"
	if len(with) > 0 {
		text += " (" + strings.Join(with, ", ") + ")"
	}
	return text + ";"
}

func (r *run) refuseUsedTarget(ctx context.Context, db *sql.DB) error {
	var tables int64
	if err := db.QueryRowContext(ctx, countTables).Scan(&tables); err != nil {
		return &scriptError{countTables, err}
	}
	fires, err := r.fault.fires(notEmpty)
	if err != nil {
		return misplanned(err)
	}
	if tables == 0 && !fires {
		return nil
	}
	const reason = "Data cannot be imported into target because it contains one or more user objects. Import should be performed against a new, empty database."
	return &ending{exitFailed, []string{"*** Error importing database:" + reason, "Error SQL71659: " + reason, ""}}
}

func (r *run) importData(ctx context.Context, db *sql.DB, file *bacpacfile.File) error {
	if err := r.fault.canHit(file.Tables); err != nil {
		return misplanned(err)
	}
	r.say("Processing Import.")
	if r.disableIndexes {
		r.say("Disabling indexes.")
	}
	for i, table := range file.Tables {
		if err := r.misbehaveMidway(ctx, i == len(file.Tables)/2); err != nil {
			return err
		}
		if i == len(file.Tables)/2 {
			if err := r.breakMidway(quoteName(table.Table.Schema, table.Table.Name)); err != nil {
				return err
			}
		}
		rows, err := r.rowsToLoad(table)
		if err != nil {
			return err
		}
		r.say("Processing Table '%s'.", quoteName(table.Table.Schema, table.Table.Name))
		if len(rows) == 0 {
			continue
		}
		if err := bulkLoad(ctx, db, table.Table, rows); err != nil {
			return err
		}
	}
	return nil
}

// rowsToLoad are a table's rows without those that a fault loses.
func (r *run) rowsToLoad(table bacpacfile.TableData) ([][]any, error) {
	if r.fault == nil || r.fault.Table != table.Table.Schema+"."+table.Table.Name {
		return table.Rows, nil
	}
	fires, err := r.fault.fires(importLoseRows)
	if err != nil {
		return nil, misplanned(err)
	}
	if !fires {
		return table.Rows, nil
	}
	return table.Rows[:int64(len(table.Rows))-r.fault.Rows], nil
}

// bulkLoad sends all rows of a table or none.
func bulkLoad(ctx context.Context, db *sql.DB, table bacpacfile.Table, rows [][]any) error {
	name := quoteName(table.Schema, table.Name)
	fail := func(err error) error { return &scriptError{"INSERT BULK " + name, err} }
	columns := make([]string, len(table.Columns))
	for i, c := range table.Columns {
		columns[i] = c.Name
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fail(err)
	}
	defer tx.Rollback() // does nothing after the commit
	load, err := tx.PrepareContext(ctx, mssql.CopyIn(name, mssql.BulkOptions{KeepNulls: true}, columns...))
	if err != nil {
		return fail(err)
	}
	for n, row := range rows {
		values := make([]any, len(row))
		for i, c := range table.Columns {
			if values[i], err = toDriver(c, row[i]); err != nil {
				return fmt.Errorf("table %s, row %d, column %s: %w", name, n+1, c.Name, err)
			}
		}
		if _, err := load.ExecContext(ctx, values...); err != nil {
			return fail(err)
		}
	}
	result, err := load.ExecContext(ctx)
	if err != nil {
		return fail(err)
	}
	if sent, err := result.RowsAffected(); err != nil || sent != int64(len(rows)) {
		return fail(fmt.Errorf("%d rows of %d arrived (%v)", sent, len(rows), err))
	}
	return tx.Commit()
}
