package sqlserver

import (
	"context"
	"maps"
	"slices"

	"github.com/bacvault/bacvault/standin/sqlserver/tds"
)

// statement is one text of the closed list and the Go function that answers it.
type statement struct {
	text   string
	params []string // by name, as sp_executesql brings them
	run    func(*session, context.Context, call) error
}

// call is a statement with what was filled in.
type call struct {
	holes  map[string]string
	params map[string]any
	out    *tds.Results
}

// statements is everything that this server understands.
func statements() []statement {
	return []statement{
		// what bacvault asks
		{"SELECT d.name, d.state_desc, d.create_date, d.collation_name, d.compatibility_level FROM sys.databases AS d WHERE d.name = @name;", []string{"@name"}, (*session).oneDatabase},
		{"SELECT d.name, d.state_desc, d.create_date FROM sys.databases AS d WHERE d.name <> N'master' ORDER BY d.name;", nil, (*session).allDatabases},
		{"CREATE DATABASE {target} AS COPY OF {source};", nil, (*session).createCopy},
		{"CREATE DATABASE {target} AS COPY OF {source} (SERVICE_OBJECTIVE = '{objective}');", nil, (*session).createCopy},
		{"DROP DATABASE {name};", nil, (*session).drop},
		{"SELECT IS_ROLEMEMBER(N'dbmanager'), HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'CONTROL');", nil, (*session).mayCreate},
		{"SELECT s.name AS schema_name, t.name AS table_name, COALESCE(SUM(p.row_count), 0) AS row_count FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id LEFT JOIN sys.dm_db_partition_stats AS p ON p.object_id = t.object_id AND p.index_id IN (0, 1) WHERE t.is_ms_shipped = 0 GROUP BY s.name, t.name ORDER BY s.name, t.name;", nil, (*session).tableList},
		{"SELECT COUNT_BIG(*) FROM {schema}.{table};", nil, (*session).count},
		{"SELECT SUM(CAST(FILEPROPERTY(f.name, 'SpaceUsed') AS bigint)) * 8192 FROM sys.database_files AS f WHERE f.type = 0;", nil, (*session).usedBytes},
		{"SELECT HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'SELECT'), HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'VIEW DEFINITION');", nil, (*session).rights},
		{"SELECT (SELECT COUNT(*) FROM sys.security_policies WHERE is_enabled = 1), (SELECT COUNT(*) FROM sys.masked_columns WHERE is_masked = 1), HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'UNMASK');", nil, (*session).filters},
		{"SELECT (SELECT COUNT(*) FROM sys.indexes WHERE is_disabled = 1), (SELECT COUNT(*) FROM sys.foreign_keys WHERE is_not_trusted = 1), (SELECT COUNT(*) FROM sys.check_constraints WHERE is_not_trusted = 1);", nil, (*session).health},
		{"SELECT s.name, t.name, t.is_external, t.is_filetable, t.is_dropped_ledger_table, t.ledger_type, t.is_node, t.is_edge, t.is_memory_optimized FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id WHERE t.is_ms_shipped = 0 AND (t.is_external = 1 OR t.is_filetable = 1 OR t.is_dropped_ledger_table = 1 OR t.ledger_type > 0 OR t.is_node = 1 OR t.is_edge = 1 OR t.is_memory_optimized = 1) ORDER BY s.name, t.name;", nil, (*session).tableKinds},
		{"SELECT s.name, t.name, c.name, COALESCE(TYPE_NAME(c.system_type_id), y.name), y.name, CAST(CASE WHEN y.is_assembly_type = 1 AND y.is_user_defined = 1 THEN 1 ELSE 0 END AS bit), c.is_filestream, c.is_hidden, c.is_sparse, c.encryption_type FROM sys.columns AS c JOIN sys.tables AS t ON t.object_id = c.object_id JOIN sys.schemas AS s ON s.schema_id = t.schema_id JOIN sys.types AS y ON y.user_type_id = c.user_type_id WHERE t.is_ms_shipped = 0 AND (y.name IN (N'json', N'vector') OR TYPE_NAME(c.system_type_id) = N'sql_variant' OR (y.is_assembly_type = 1 AND y.is_user_defined = 1) OR c.is_filestream = 1 OR c.is_hidden = 1 OR c.is_sparse = 1 OR c.encryption_type IS NOT NULL) ORDER BY s.name, t.name, c.column_id;", nil, (*session).columnKinds},
		{"SELECT s.name, t.name, SUM(p.reserved_page_count) * 8192 FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id JOIN sys.dm_db_partition_stats AS p ON p.object_id = t.object_id AND p.index_id = 0 WHERE t.is_ms_shipped = 0 GROUP BY s.name, t.name ORDER BY SUM(p.reserved_page_count) DESC, s.name, t.name;", nil, (*session).heaps},
		{"SELECT DISTINCT COALESCE(OBJECT_SCHEMA_NAME(d.referencing_id), N''), COALESCE(OBJECT_NAME(d.referencing_id), N''), COALESCE(d.referenced_server_name, N''), COALESCE(d.referenced_database_name, N'') FROM sys.sql_expression_dependencies AS d WHERE d.referenced_server_name IS NOT NULL OR d.referenced_database_name IS NOT NULL ORDER BY 1, 2, 3, 4;", nil, (*session).references},
		{"SELECT s.name, t.name, c.name, COALESCE(TYPE_NAME(c.system_type_id), y.name), y.name, CASE WHEN c.is_computed = 1 AND COLUMNPROPERTY(c.object_id, c.name, 'IsDeterministic') = 0 THEN -1 ELSE CAST(c.generated_always_type AS int) END FROM sys.columns AS c JOIN sys.tables AS t ON t.object_id = c.object_id JOIN sys.schemas AS s ON s.schema_id = t.schema_id JOIN sys.types AS y ON y.user_type_id = c.user_type_id WHERE t.is_ms_shipped = 0 AND (y.name IN (N'json', N'vector') OR TYPE_NAME(c.system_type_id) IN (N'text', N'ntext', N'image', N'xml', N'timestamp') OR (y.is_assembly_type = 1 AND y.name <> N'hierarchyid') OR c.generated_always_type <> 0 OR (c.is_computed = 1 AND COLUMNPROPERTY(c.object_id, c.name, 'IsDeterministic') = 0)) ORDER BY s.name, t.name, c.column_id;", nil, (*session).unprinted},
		{"SELECT COUNT_BIG(*), CHECKSUM_AGG(BINARY_CHECKSUM(*)) FROM {schema}.{table};", nil, (*session).fingerprint},
		{"ALTER DATABASE {name} MODIFY NAME = {to};", nil, (*session).rename},
		{"ALTER DATABASE {name} MODIFY (EDITION = '{edition}', SERVICE_OBJECTIVE = '{objective}', MAXSIZE = {size});", nil, (*session).scale},
		{"SELECT CAST(DATABASEPROPERTYEX(DB_NAME(), 'Edition') AS nvarchar(128)), CAST(DATABASEPROPERTYEX(DB_NAME(), 'ServiceObjective') AS nvarchar(128)), CAST(DATABASEPROPERTYEX(DB_NAME(), 'MaxSizeInBytes') AS bigint);", nil, (*session).showSize},
		{"SELECT COUNT_BIG(*) FROM sys.dm_geo_replication_link_status;", nil, (*session).showGeoLinks},
		{"SELECT p.name FROM sys.database_principals AS p WHERE p.type IN ('S', 'U', 'G', 'E', 'X', 'R', 'A') AND p.is_fixed_role = 0 AND p.principal_id > 4 ORDER BY p.name;", nil, (*session).showPrincipals},
		{"SELECT k.kind, COUNT_BIG(*) FROM (SELECT CASE o.type WHEN 'U' THEN 'tables' WHEN 'V' THEN 'views' WHEN 'P' THEN 'procedures' WHEN 'FN' THEN 'functions' WHEN 'IF' THEN 'functions' WHEN 'TF' THEN 'functions' WHEN 'TR' THEN 'triggers' WHEN 'SO' THEN 'sequences' WHEN 'SN' THEN 'synonyms' WHEN 'PK' THEN 'primary keys' WHEN 'UQ' THEN 'unique constraints' WHEN 'F' THEN 'foreign keys' WHEN 'C' THEN 'check constraints' WHEN 'D' THEN 'default constraints' WHEN 'SP' THEN 'security policies' END AS kind FROM sys.objects AS o WHERE o.is_ms_shipped = 0 AND NOT EXISTS (SELECT * FROM sys.table_types AS tt WHERE tt.type_table_object_id = o.parent_object_id) AND NOT EXISTS (SELECT * FROM sys.objects AS f WHERE f.object_id = o.parent_object_id AND f.type = 'TF') UNION ALL SELECT 'indexes' FROM sys.indexes AS i JOIN sys.objects AS o ON o.object_id = i.object_id WHERE o.is_ms_shipped = 0 AND o.type IN ('U', 'V') AND i.type > 0 AND i.is_primary_key = 0 AND i.is_unique_constraint = 0 UNION ALL SELECT 'triggers' FROM sys.triggers AS g WHERE g.parent_class = 0 AND g.is_ms_shipped = 0 UNION ALL SELECT 'user types' FROM sys.types AS y WHERE y.is_user_defined = 1) AS k WHERE k.kind IS NOT NULL GROUP BY k.kind ORDER BY k.kind;", nil, (*session).objects},

		// what the sqlpackage stand-in asks; standin.… is nothing that a real server has
		{"SELECT COUNT_BIG(*) FROM sys.objects WHERE is_ms_shipped = 0 AND type = 'U';", nil, (*session).countTables},
		{"SELECT model FROM standin.model;", nil, (*session).readModel},
		{"SELECT * FROM {schema}.{table};", nil, (*session).selectAll},
		{"CREATE DATABASE {target};", nil, (*session).create},
		{"CREATE DATABASE {target} ({options});", nil, (*session).create},
		{"EXEC standin.create_from_model @model;", []string{"@model"}, (*session).createFromModel},
		{"EXEC standin.enable_indexes;", nil, (*session).enableIndexes},
		{"EXEC standin.enable_indexes_only;", nil, (*session).enableIndexesOnly},

		// what the driver sends of itself, for Ping and CopyIn
		{"select 1;", nil, (*session).ping},
		{"SET FMTONLY ON", nil, (*session).formatOnlyOn},
		{"SET FMTONLY OFF", nil, (*session).formatOnlyOff},
		{"select * from {schema}.{table} SET FMTONLY OFF", nil, (*session).format},
		{"INSERT BULK {schema}.{table} ({rest}", nil, (*session).insertBulk},
	}
}

// Execute answers a statement of the list and refuses every other.
func (s *session) Execute(ctx context.Context, text string, params map[string]any, out *tds.Results) error {
	if err := s.check(); err != nil {
		return err
	}
	for _, st := range s.server.statements {
		holes, ok := match(st.text, text)
		if !ok {
			continue
		}
		if names := slices.Sorted(maps.Keys(params)); !slices.Equal(names, st.params) {
			return errParameters(st.params, names)
		}
		return st.run(s, ctx, call{holes, params, out})
	}
	s.server.cfg.Log("unknown statement: %s", text)
	return errUnknownStatement(text)
}
