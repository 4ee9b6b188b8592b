-- What bacvault's two identities may do inside SQL: the rights "sql/..." of docs/permissions.md and nothing else. Run it as the
-- server's Microsoft Entra administrator, with the same command in master and in each protected database: it gives in each what
-- belongs there. What is there already stays as it is, so it may be run again. docs/permissions.md, "In the database", says how.
--
-- BackupIdentity and RestoreIdentity come from the command line. They are the names of the identities, not their client ids, or
-- none where an identity has no business on this server. In a tool without sqlcmd's variables put the names in place of them.
-- docs/grants-promote.sql is for a promotion, docs/grants-revoke.sql takes everything back.

IF DB_NAME() = N'master'
BEGIN
    -- A user in master is what lets a managed identity log in; dbmanager makes the copy, and the restored database.
    IF N'$(BackupIdentity)' <> N'none'
    BEGIN
        IF NOT EXISTS (SELECT * FROM sys.database_principals WHERE name = N'$(BackupIdentity)')
            CREATE USER [$(BackupIdentity)] FROM EXTERNAL PROVIDER;
        IF ISNULL(IS_ROLEMEMBER(N'dbmanager', N'$(BackupIdentity)'), 0) = 0
            ALTER ROLE dbmanager ADD MEMBER [$(BackupIdentity)];
    END;
    IF N'$(RestoreIdentity)' <> N'none'
    BEGIN
        IF NOT EXISTS (SELECT * FROM sys.database_principals WHERE name = N'$(RestoreIdentity)')
            CREATE USER [$(RestoreIdentity)] FROM EXTERNAL PROVIDER;
        IF ISNULL(IS_ROLEMEMBER(N'dbmanager', N'$(RestoreIdentity)'), 0) = 0
            ALTER ROLE dbmanager ADD MEMBER [$(RestoreIdentity)];
    END;
END;

-- A protected database. The copy that is exported brings these grants along. The restore identity gets nothing here: it owns the
-- databases that it makes, and reads no other.
IF DB_NAME() <> N'master' AND N'$(BackupIdentity)' <> N'none'
BEGIN
    IF NOT EXISTS (SELECT * FROM sys.database_principals WHERE name = N'$(BackupIdentity)')
        CREATE USER [$(BackupIdentity)] FROM EXTERNAL PROVIDER;
    IF ISNULL(IS_ROLEMEMBER(N'db_datareader', N'$(BackupIdentity)'), 0) = 0
        ALTER ROLE db_datareader ADD MEMBER [$(BackupIdentity)];
    GRANT VIEW DEFINITION TO [$(BackupIdentity)];
    GRANT VIEW DATABASE STATE TO [$(BackupIdentity)];
    GRANT SELECT ON sys.sql_expression_dependencies TO [$(BackupIdentity)];
    -- Take the two dashes off only where columns are masked, and it is agreed that backups hold their values: without it such a
    -- database is refused (preflight.filtered).
    -- GRANT UNMASK TO [$(BackupIdentity)];
END;
