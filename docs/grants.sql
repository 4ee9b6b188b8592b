-- What docs/permissions.md lists under "sql/". Run as the server's Microsoft Entra administrator; put in your identities' names.
-- A user in master is what lets a managed identity log in. Names are those of the identities, not their client ids.

-- 1. In master.
CREATE USER [id-bacvault-backup] FROM EXTERNAL PROVIDER;
CREATE USER [id-bacvault-restore] FROM EXTERNAL PROVIDER;
ALTER ROLE dbmanager ADD MEMBER [id-bacvault-backup];
ALTER ROLE dbmanager ADD MEMBER [id-bacvault-restore];

-- 2. In each protected database. The copy that is exported brings these grants along. The restore identity gets nothing here: it
-- owns the databases that it makes, and reads no other.
CREATE USER [id-bacvault-backup] FROM EXTERNAL PROVIDER;
ALTER ROLE db_datareader ADD MEMBER [id-bacvault-backup];
GRANT VIEW DEFINITION TO [id-bacvault-backup];
GRANT VIEW DATABASE STATE TO [id-bacvault-backup];
GRANT SELECT ON sys.sql_expression_dependencies TO [id-bacvault-backup];

-- 3. Only where columns are masked (preflight.filtered says so): without it masked values are exported as if they were the truth.
-- GRANT UNMASK TO [id-bacvault-backup];

-- 4. Only for a promotion, and only for as long: whoever promotes, id-bacvault-restore or a person. In master:
-- CREATE USER [id-bacvault-promote] FROM EXTERNAL PROVIDER;
-- ALTER ROLE dbmanager ADD MEMBER [id-bacvault-promote];
-- and in the live and in the restored database:
-- CREATE USER [id-bacvault-promote] FROM EXTERNAL PROVIDER;
-- GRANT VIEW DATABASE STATE TO [id-bacvault-promote];
