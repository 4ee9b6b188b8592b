for database in master 'Orders' 'Two Words'; do
  sqlcmd -S sqlsvr-b.database.windows.net -d "$database" --authentication-method ActiveDirectoryAzCli -b -i docs/grants.sql \
    -v BackupIdentity=id-bacvault-test-backup RestoreIdentity=none || break
done
for database in master; do
  sqlcmd -S sqlsvr-lab.database.windows.net -d "$database" --authentication-method ActiveDirectoryAzCli -b -i docs/grants.sql \
    -v BackupIdentity=none RestoreIdentity=id-bacvault-test-restore || break
done
for database in master 'Orders'; do
  sqlcmd -S sqlsvr-test.database.windows.net -d "$database" --authentication-method ActiveDirectoryAzCli -b -i docs/grants.sql \
    -v BackupIdentity=id-bacvault-test-backup RestoreIdentity=none || break
done
