-- What whoever promotes needs inside SQL (docs/permissions.md, "Promoting"): a person, or the restore identity for a promotion by
-- message. Run it when a promotion is due, with the same command in master, in the live and in the restored database, and take it
-- back after with docs/grants-revoke.sql. It may be run again. PromoteIdentity comes from the command line.

IF NOT EXISTS (SELECT * FROM sys.database_principals WHERE name = N'$(PromoteIdentity)')
    CREATE USER [$(PromoteIdentity)] FROM EXTERNAL PROVIDER;

IF DB_NAME() = N'master'
BEGIN
    IF ISNULL(IS_ROLEMEMBER(N'dbmanager', N'$(PromoteIdentity)'), 0) = 0
        ALTER ROLE dbmanager ADD MEMBER [$(PromoteIdentity)];
END
ELSE
    GRANT VIEW DATABASE STATE TO [$(PromoteIdentity)];
