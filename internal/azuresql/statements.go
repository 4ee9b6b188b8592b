package azuresql

// All T-SQL of the product stands here. A word in braces is replaced by a name that went through quote, and by nothing
// else; every other value is a parameter.
const (
	// in master

	stmtDatabase = `SELECT d.name, d.state_desc, d.create_date, d.collation_name, d.compatibility_level FROM sys.databases AS d WHERE d.name = @name;`
	// stmtDatabases lists what a "*" in SQL_DATABASE_NAME may mean.
	stmtDatabases  = `SELECT d.name, d.state_desc, d.create_date FROM sys.databases AS d WHERE d.name <> N'master' ORDER BY d.name;`
	stmtCreateCopy = `CREATE DATABASE {target} AS COPY OF {source};`
	// stmtCreateCopyAs also sets the copy's service objective; {objective} is checked against a closed character set.
	stmtCreateCopyAs = `CREATE DATABASE {target} AS COPY OF {source} (SERVICE_OBJECTIVE = '{objective}');`
	stmtDrop         = `DROP DATABASE {name};`

	// in the database

	// stmtTables names every user table with its rows by partition statistics.
	stmtTables = `SELECT s.name AS schema_name, t.name AS table_name, COALESCE(SUM(p.row_count), 0) AS row_count FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id LEFT JOIN sys.dm_db_partition_stats AS p ON p.object_id = t.object_id AND p.index_id IN (0, 1) WHERE t.is_ms_shipped = 0 GROUP BY s.name, t.name ORDER BY s.name, t.name;`
	stmtCount  = `SELECT COUNT_BIG(*) FROM {table};`
	// stmtUsedBytes is the space that data takes, in bytes (pages of 8 KiB).
	stmtUsedBytes = `SELECT SUM(CAST(FILEPROPERTY(f.name, 'SpaceUsed') AS bigint)) * 8192 FROM sys.database_files AS f WHERE f.type = 0;`
	// stmtRights says whether this login may read all tables and see all definitions (1, 0 or NULL each).
	stmtRights = `SELECT HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'SELECT'), HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'VIEW DEFINITION');`
	// stmtFilters counts what would thin an export silently: enabled row-level security policies and masked columns.
	stmtFilters = `SELECT (SELECT COUNT(*) FROM sys.security_policies WHERE is_enabled = 1), (SELECT COUNT(*) FROM sys.masked_columns WHERE is_masked = 1), HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'UNMASK');`
	// stmtHealth counts what an import that broke off or was cut short leaves behind.
	stmtHealth = `SELECT (SELECT COUNT(*) FROM sys.indexes WHERE is_disabled = 1), (SELECT COUNT(*) FROM sys.foreign_keys WHERE is_not_trusted = 1), (SELECT COUNT(*) FROM sys.check_constraints WHERE is_not_trusted = 1);`
)
