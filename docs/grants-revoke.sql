-- Takes back, in the database that it is run in, everything that docs/grants.sql and docs/grants-promote.sql give one identity, and
-- its user with it. It may be run again. Identity comes from the command line.
--
-- The restore identity after a promotion: run it in the two databases, not in master, where it needs its rights for restores.
-- A user that owns something here is not dropped, and the script fails: give what it owns to another first.

IF DB_NAME() = N'master'
BEGIN
    IF IS_ROLEMEMBER(N'dbmanager', N'$(Identity)') = 1
        ALTER ROLE dbmanager DROP MEMBER [$(Identity)];
END;

IF DB_NAME() <> N'master' AND EXISTS (SELECT * FROM sys.database_principals WHERE name = N'$(Identity)')
BEGIN
    IF IS_ROLEMEMBER(N'db_datareader', N'$(Identity)') = 1
        ALTER ROLE db_datareader DROP MEMBER [$(Identity)];
    REVOKE VIEW DEFINITION FROM [$(Identity)];
    REVOKE VIEW DATABASE STATE FROM [$(Identity)];
    REVOKE SELECT ON sys.sql_expression_dependencies FROM [$(Identity)];
    REVOKE UNMASK FROM [$(Identity)];
END;

DROP USER IF EXISTS [$(Identity)];
