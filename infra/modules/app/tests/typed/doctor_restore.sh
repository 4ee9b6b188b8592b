az container create --subscription 00000000-0000-0000-0000-000000000001 --resource-group rg-test --name bacvault-doctor-restore --location uksouth \
  --image acrtest.azurecr.io/bacvault@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef --os-type Linux --cpu 1 --memory 2 --restart-policy Never \
  --assign-identity /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-test/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-restore \
  --acr-identity /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-test/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-restore \
  --command-line 'bacvault doctor --as restore --output text' \
  --environment-variables AZURE_TOKEN_CREDENTIALS=ManagedIdentityCredential AZURE_CLIENT_ID=b0000000-0000-4000-8000-000000000002 \
    BACVAULT_ALLOW_UNLOCKED_REASON='it'\''s new' \
    BACVAULT_ALLOW_UNLOCKED_UNTIL='2099-01-01' \
    BACVAULT_DRILL_SCHEDULE='0 0 6 * * 0' \
    BACVAULT_MIN_RETENTION_DAYS='365' \
    BACVAULT_RESTORE_SERVER_NAME='sqlsvr-lab' \
    BACVAULT_STATE_ACCOUNT='stbvtestb' \
    BACVAULT_STATE_CONTAINER='bacvault-state' \
    BACVAULT_VAULT_RESOURCE_GROUP='rg-vault' \
    BACVAULT_VAULT_SUBSCRIPTION_ID='00000000-0000-0000-0000-000000000002' \
    MANAGED_IDENTITY_CLIENT_ID='b0000000-0000-4000-8000-000000000002' \
    SQL_DATABASE_NAME='Orders,sqlsvr-b/Two Words' \
    SQL_SERVER_NAME='sqlsvr-test, sqlsvr-b.database.windows.net' \
    STORAGE_ACCOUNT_NAME='stvault' \
    STORAGE_CONTAINER_NAME='sql-backups' \
    ServiceBusConnection__fullyQualifiedNamespace='sb-test.servicebus.windows.net'
az container logs --follow --subscription 00000000-0000-0000-0000-000000000001 --resource-group rg-test --name bacvault-doctor-restore
az container show --subscription 00000000-0000-0000-0000-000000000001 --resource-group rg-test --name bacvault-doctor-restore --query 'containers[0].instanceView.currentState.exitCode'
az container delete --subscription 00000000-0000-0000-0000-000000000001 --resource-group rg-test --name bacvault-doctor-restore --yes
