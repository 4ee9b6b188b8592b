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
	stmtRename       = `ALTER DATABASE {name} MODIFY NAME = {to};`
	// stmtMayCreate asks whether this login is a member of dbmanager, and whether it has every right in master, as the server's
	// administrators have, who need be in no role ("Database-level roles", special roles of Azure SQL Database, on Microsoft Learn).
	// Not asked: HAS_PERMS_BY_NAME of the server, for that page lists no class for it in Azure SQL Database, and the server role
	// ##MS_DatabaseManager##, for IS_SRVROLEMEMBER "isn't supported in the master database" ("Azure SQL Database server roles").
	stmtMayCreate = `SELECT IS_ROLEMEMBER(N'dbmanager'), HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'CONTROL');`
	// stmtScale names the maximum size too: without it the server takes the edition's own.
	stmtScale = `ALTER DATABASE {name} MODIFY (EDITION = '{edition}', SERVICE_OBJECTIVE = '{objective}', MAXSIZE = {size});`

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

	// stmtTableKinds names the tables of special kinds. Each of these columns is in sys.tables of Azure SQL Database.
	stmtTableKinds = `SELECT s.name, t.name, t.is_external, t.is_filetable, t.is_dropped_ledger_table, t.ledger_type, t.is_node, t.is_edge, t.is_memory_optimized FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id WHERE t.is_ms_shipped = 0 AND (t.is_external = 1 OR t.is_filetable = 1 OR t.is_dropped_ledger_table = 1 OR t.ledger_type > 0 OR t.is_node = 1 OR t.is_edge = 1 OR t.is_memory_optimized = 1) ORDER BY s.name, t.name;`
	// stmtColumnKinds names the columns of special kinds. An alias of sql_variant shows as its base type.
	stmtColumnKinds = `SELECT s.name, t.name, c.name, COALESCE(TYPE_NAME(c.system_type_id), y.name), y.name, CAST(CASE WHEN y.is_assembly_type = 1 AND y.is_user_defined = 1 THEN 1 ELSE 0 END AS bit), c.is_filestream, c.is_hidden, c.is_sparse, c.encryption_type FROM sys.columns AS c JOIN sys.tables AS t ON t.object_id = c.object_id JOIN sys.schemas AS s ON s.schema_id = t.schema_id JOIN sys.types AS y ON y.user_type_id = c.user_type_id WHERE t.is_ms_shipped = 0 AND (y.name IN (N'json', N'vector') OR TYPE_NAME(c.system_type_id) = N'sql_variant' OR (y.is_assembly_type = 1 AND y.is_user_defined = 1) OR c.is_filestream = 1 OR c.is_hidden = 1 OR c.is_sparse = 1 OR c.encryption_type IS NOT NULL) ORDER BY s.name, t.name, c.column_id;`
	// stmtHeaps names the tables without a clustered index with the bytes that they reserve, largest first.
	stmtHeaps = `SELECT s.name, t.name, SUM(p.reserved_page_count) * 8192 FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id JOIN sys.dm_db_partition_stats AS p ON p.object_id = t.object_id AND p.index_id = 0 WHERE t.is_ms_shipped = 0 GROUP BY s.name, t.name ORDER BY SUM(p.reserved_page_count) DESC, s.name, t.name;`
	// stmtReferences names what refers to another database or server, or to this one by its name, which a copy does not
	// bear. Reading this view needs SELECT on it, which only db_owner has of itself.
	stmtReferences = `SELECT DISTINCT COALESCE(OBJECT_SCHEMA_NAME(d.referencing_id), N''), COALESCE(OBJECT_NAME(d.referencing_id), N''), COALESCE(d.referenced_server_name, N''), COALESCE(d.referenced_database_name, N'') FROM sys.sql_expression_dependencies AS d WHERE d.referenced_server_name IS NOT NULL OR d.referenced_database_name IS NOT NULL ORDER BY 1, 2, 3, 4;`
	// stmtUnprinted names the columns that a fingerprint can't hold: noncomparable ones, which BINARY_CHECKSUM ignores, and
	// those that an import makes anew; -1 is a computed one that does not follow from its row, such as getdate().
	stmtUnprinted = `SELECT s.name, t.name, c.name, COALESCE(TYPE_NAME(c.system_type_id), y.name), y.name, CASE WHEN c.is_computed = 1 AND COLUMNPROPERTY(c.object_id, c.name, 'IsDeterministic') = 0 THEN -1 ELSE CAST(c.generated_always_type AS int) END FROM sys.columns AS c JOIN sys.tables AS t ON t.object_id = c.object_id JOIN sys.schemas AS s ON s.schema_id = t.schema_id JOIN sys.types AS y ON y.user_type_id = c.user_type_id WHERE t.is_ms_shipped = 0 AND (y.name IN (N'json', N'vector') OR TYPE_NAME(c.system_type_id) IN (N'text', N'ntext', N'image', N'xml', N'timestamp') OR (y.is_assembly_type = 1 AND y.name <> N'hierarchyid') OR c.generated_always_type <> 0 OR (c.is_computed = 1 AND COLUMNPROPERTY(c.object_id, c.name, 'IsDeterministic') = 0)) ORDER BY s.name, t.name, c.column_id;`
	// stmtFingerprint does not see the order of rows. An empty table has no checksum.
	stmtFingerprint = `SELECT COUNT_BIG(*), CHECKSUM_AGG(BINARY_CHECKSUM(*)) FROM {table};`

	stmtSize = `SELECT CAST(DATABASEPROPERTYEX(DB_NAME(), 'Edition') AS nvarchar(128)), CAST(DATABASEPROPERTYEX(DB_NAME(), 'ServiceObjective') AS nvarchar(128)), CAST(DATABASEPROPERTYEX(DB_NAME(), 'MaxSizeInBytes') AS bigint);`
	// stmtGeoLinks counts the links of geo-replication, which a rename ends at.
	stmtGeoLinks = `SELECT COUNT_BIG(*) FROM sys.dm_geo_replication_link_status;`
	// stmtPrincipals leaves out fixed roles and what every database has (dbo, guest, sys, INFORMATION_SCHEMA).
	stmtPrincipals = `SELECT p.name FROM sys.database_principals AS p WHERE p.type IN ('S', 'U', 'G', 'E', 'X', 'R', 'A') AND p.is_fixed_role = 0 AND p.principal_id > 4 ORDER BY p.name;`
	// stmtObjects counts by kind, in the words of bacvault.ObjectKind; objects of a table type, and of the
	// table that a function returns, are no objects of their own.
	stmtObjects = `SELECT k.kind, COUNT_BIG(*) FROM (SELECT CASE o.type WHEN 'U' THEN 'tables' WHEN 'V' THEN 'views' WHEN 'P' THEN 'procedures' WHEN 'FN' THEN 'functions' WHEN 'IF' THEN 'functions' WHEN 'TF' THEN 'functions' WHEN 'TR' THEN 'triggers' WHEN 'SO' THEN 'sequences' WHEN 'SN' THEN 'synonyms' WHEN 'PK' THEN 'primary keys' WHEN 'UQ' THEN 'unique constraints' WHEN 'F' THEN 'foreign keys' WHEN 'C' THEN 'check constraints' WHEN 'D' THEN 'default constraints' WHEN 'SP' THEN 'security policies' END AS kind FROM sys.objects AS o WHERE o.is_ms_shipped = 0 AND NOT EXISTS (SELECT * FROM sys.table_types AS tt WHERE tt.type_table_object_id = o.parent_object_id) AND NOT EXISTS (SELECT * FROM sys.objects AS f WHERE f.object_id = o.parent_object_id AND f.type = 'TF') UNION ALL SELECT 'indexes' FROM sys.indexes AS i JOIN sys.objects AS o ON o.object_id = i.object_id WHERE o.is_ms_shipped = 0 AND o.type IN ('U', 'V') AND i.type > 0 AND i.is_primary_key = 0 AND i.is_unique_constraint = 0 UNION ALL SELECT 'triggers' FROM sys.triggers AS g WHERE g.parent_class = 0 AND g.is_ms_shipped = 0 UNION ALL SELECT 'user types' FROM sys.types AS y WHERE y.is_user_defined = 1) AS k WHERE k.kind IS NOT NULL GROUP BY k.kind ORDER BY k.kind;`
)
