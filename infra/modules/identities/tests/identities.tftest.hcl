mock_provider "azurerm" {
  mock_resource "azurerm_user_assigned_identity" {
    defaults = {
      id           = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-app/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-x"
      client_id    = "00000000-0000-4000-8000-0000000000c1"
      principal_id = "00000000-0000-4000-8000-0000000000d1"
    }
  }
  mock_resource "azurerm_role_definition" {
    defaults = {
      role_definition_resource_id = "/subscriptions/00000000-0000-4000-8000-000000000002/providers/Microsoft.Authorization/roleDefinitions/00000000-0000-4000-8000-0000000000a2"
    }
  }
}

mock_provider "azurerm" {
  alias = "vault"
  mock_resource "azurerm_role_definition" {
    defaults = {
      role_definition_resource_id = "/subscriptions/00000000-0000-4000-8000-000000000001/providers/Microsoft.Authorization/roleDefinitions/00000000-0000-4000-8000-0000000000a1"
    }
  }
}

variables {
  name                = "x"
  resource_group_name = "rg-app"
  location            = "uksouth"
  vault_container_id  = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-vault/providers/Microsoft.Storage/storageAccounts/stvault/blobServices/default/containers/sql-backups"
  state_container_id  = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-app/providers/Microsoft.Storage/storageAccounts/sthost/blobServices/default/containers/bacvault-state"
  host_account_ids = {
    backup  = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-app/providers/Microsoft.Storage/storageAccounts/sthost"
    restore = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-app/providers/Microsoft.Storage/storageAccounts/sthostr"
  }
  bus_entity_ids = {
    backup_requests       = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-bus/providers/Microsoft.ServiceBus/namespaces/sb-x/queues/backup-requests"
    restore_requests      = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-bus/providers/Microsoft.ServiceBus/namespaces/sb-x/queues/restore-requests"
    backup_events         = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-bus/providers/Microsoft.ServiceBus/namespaces/sb-x/topics/backup-events"
    subscription_all      = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-bus/providers/Microsoft.ServiceBus/namespaces/sb-x/topics/backup-events/subscriptions/all"
    subscription_failures = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-bus/providers/Microsoft.ServiceBus/namespaces/sb-x/topics/backup-events/subscriptions/failures"
  }
}

run "least" {
  command = apply
  providers = {
    azurerm       = azurerm
    azurerm.vault = azurerm.vault
  }
  # Written out here once more, and not read from roles.json, so that neither can be loosened alone.
  assert {
    condition = toset(keys(azurerm_role_assignment.vault)) == toset([
      "backup/vault-writer/vault_container", "restore/vault-reader/vault_container",
    ])
    error_message = "on the vault: ${join(", ", keys(azurerm_role_assignment.vault))}"
  }
  assert {
    condition = toset(keys(azurerm_role_assignment.other)) == toset([
      "backup/state/state_container", "restore/state/state_container",
      "backup/receiver/backup_requests", "backup/sender/backup_requests", "backup/receiver/restore_requests", "backup/sender/backup_events",
      "restore/receiver/restore_requests", "restore/sender/restore_requests", "restore/sender/backup_events",
    ])
    error_message = "elsewhere: ${join(", ", keys(azurerm_role_assignment.other))}"
  }
  assert {
    condition     = alltrue([for a in azurerm_role_assignment.vault : a.scope == var.vault_container_id && a.principal_type == "ServicePrincipal"])
    error_message = "a role on the vault is assigned at the container"
  }
  assert {
    condition = alltrue([for r in azurerm_role_definition.vault :
      r.scope == "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-vault" && length(r.permissions[0].not_actions == null ? [] : r.permissions[0].not_actions) == 0
    ])
    error_message = "the vault's roles belong to the vault's subscription"
  }
  assert {
    condition = alltrue(flatten([for r in azurerm_role_definition.vault :
      [for a in concat(tolist(r.permissions[0].actions), tolist(r.permissions[0].data_actions)) : !can(regex("(?i)\\*|delete|immutabilityPolicies/write|LegalHold|runAsSuperUser|listKeys", a))]
    ]))
    error_message = "no wildcard, no delete, no write of the policy on the vault"
  }
  assert {
    condition = alltrue(flatten([for r in azurerm_role_definition.other :
      [for a in concat(tolist(r.permissions[0].actions), tolist(r.permissions[0].data_actions)) : !strcontains(a, "*")]
    ]))
    error_message = "no wildcard anywhere"
  }
  assert {
    condition     = toset(azurerm_role_definition.vault["vault-reader"].permissions[0].data_actions) == toset(["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read", "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action"])
    error_message = "the restore app reads and adds: it can't upload blocks or overwrite"
  }
  assert {
    condition = alltrue([for app, a in azurerm_role_assignment.host :
      a.scope == var.host_account_ids[app] && a.role_definition_name == "Storage Blob Data Owner"
    ]) && length(azurerm_role_assignment.host) == 2
    error_message = "each host owns its own account"
  }
  assert {
    condition     = length(azurerm_role_assignment.registry) == 0 && length(azurerm_role_assignment.telemetry) == 0
    error_message = "no registry, no telemetry, no right"
  }
  assert {
    condition     = toset(keys(output.role_ids)) == toset(["vault-writer", "vault-reader", "vault-custodian", "vault-viewer", "state-viewer", "state", "sender", "receiver"])
    error_message = "no role on SQL servers without a server: ${join(", ", keys(output.role_ids))}"
  }
  assert {
    condition     = output.backup.name == "id-bacvault-x-backup" && output.restore.name == "id-bacvault-x-restore"
    error_message = "the names that docs/grants.sql needs"
  }
}

run "all_options" {
  command = apply
  providers = {
    azurerm       = azurerm
    azurerm.vault = azurerm.vault
  }
  variables {
    sql_server_id         = "/subscriptions/00000000-0000-4000-8000-000000000003/resourceGroups/rg-sql/providers/Microsoft.Sql/servers/sqlsvr-x"
    copy_by_management    = true
    restore_promotes      = true
    notify                = true
    operators             = ["o1"]
    readers               = ["o1"]
    alerting              = ["a1"]
    custodians            = ["c1", "c2"]
    promoters             = ["p1"]
    application_insights  = { id = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-app/providers/Microsoft.Insights/components/appi-x" }
    container_registry_id = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-app/providers/Microsoft.ContainerRegistry/registries/crx"
    bus_entity_ids = {
      backup_requests       = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-bus/providers/Microsoft.ServiceBus/namespaces/sb-x/queues/backup-requests"
      restore_requests      = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-bus/providers/Microsoft.ServiceBus/namespaces/sb-x/queues/restore-requests"
      backup_events         = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-bus/providers/Microsoft.ServiceBus/namespaces/sb-x/topics/backup-events"
      subscription_all      = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-bus/providers/Microsoft.ServiceBus/namespaces/sb-x/topics/backup-events/subscriptions/all"
      subscription_failures = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-bus/providers/Microsoft.ServiceBus/namespaces/sb-x/topics/backup-events/subscriptions/failures"
      subscription_notify   = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-bus/providers/Microsoft.ServiceBus/namespaces/sb-x/topics/backup-events/subscriptions/notify"
    }
  }
  assert {
    condition = toset([for key in keys(azurerm_role_assignment.vault) : key if !startswith(key, "backup/") && !startswith(key, "restore/")]) == toset([
      "c1/vault-custodian/vault_container", "c2/vault-custodian/vault_container", "o1/vault-viewer/vault_container",
    ])
    error_message = "custodians and readers, at the container"
  }
  assert {
    condition = length(setsubtract([
      "backup/receiver/subscription_notify", "backup/copier/sql_server", "backup/copy-operations/sql_resource_group", "restore/promoter/sql_server",
      "o1/sender/backup_requests", "o1/sender/restore_requests", "o1/state-viewer/state_container", "a1/receiver/subscription_all", "a1/receiver/subscription_failures",
      "p1/promoter/sql_server", "p1/state/state_container",
    ], keys(azurerm_role_assignment.other))) == 0 && length(azurerm_role_assignment.other) == 20
    error_message = "each option gives its grants and no more: ${join(", ", keys(azurerm_role_assignment.other))}"
  }
  assert {
    condition     = azurerm_role_assignment.other["backup/copy-operations/sql_resource_group"].scope == "/subscriptions/00000000-0000-4000-8000-000000000003/resourceGroups/rg-sql" && azurerm_role_definition.other["copier"].scope == "/subscriptions/00000000-0000-4000-8000-000000000003/resourceGroups/rg-sql"
    error_message = "the status of a copy is read in the server's resource group"
  }
  assert {
    condition     = azurerm_role_assignment.other["o1/sender/backup_requests"].scope == var.bus_entity_ids.backup_requests
    error_message = "an operator's right is that of one queue"
  }
  assert {
    condition     = alltrue([for a in azurerm_role_assignment.registry : a.role_definition_name == "AcrPull"]) && length(azurerm_role_assignment.registry) == 2
    error_message = "both pull"
  }
  assert {
    condition     = alltrue([for a in azurerm_role_assignment.telemetry : a.role_definition_name == "Monitoring Metrics Publisher" && a.scope == var.application_insights.id]) && length(azurerm_role_assignment.telemetry) == 2
    error_message = "both publish telemetry, there alone"
  }
}

run "copies_without_a_server" {
  command = plan
  providers = {
    azurerm       = azurerm
    azurerm.vault = azurerm.vault
  }
  variables {
    copy_by_management = true
  }
  expect_failures = [var.copy_by_management]
}

run "promotions_without_a_server" {
  command = plan
  providers = {
    azurerm       = azurerm
    azurerm.vault = azurerm.vault
  }
  variables {
    promoters        = ["p1"]
    restore_promotes = true
  }
  expect_failures = [var.promoters, var.restore_promotes]
}

run "an_account_in_place_of_the_vault" {
  command = plan
  providers = {
    azurerm       = azurerm
    azurerm.vault = azurerm.vault
  }
  variables {
    vault_container_id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-vault/providers/Microsoft.Storage/storageAccounts/stvault"
  }
  expect_failures = [var.vault_container_id]
}

run "state_in_the_vault" {
  command = plan
  providers = {
    azurerm       = azurerm
    azurerm.vault = azurerm.vault
  }
  variables {
    state_container_id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-vault/providers/Microsoft.Storage/storageAccounts/stvault/blobServices/default/containers/sql-backups"
  }
  expect_failures = [var.state_container_id]
}

run "the_host_in_the_vaults_account" {
  command = plan
  providers = {
    azurerm       = azurerm
    azurerm.vault = azurerm.vault
  }
  variables {
    host_account_ids = {
      backup  = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-app/providers/Microsoft.Storage/storageAccounts/sthost"
      restore = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-vault/providers/Microsoft.Storage/storageAccounts/stVault"
    }
  }
  expect_failures = [azurerm_role_assignment.host]
}

run "a_long_name" {
  command = plan
  providers = {
    azurerm       = azurerm
    azurerm.vault = azurerm.vault
  }
  variables {
    name = "bacvault-production"
  }
  expect_failures = [var.name]
}

run "a_database_in_place_of_the_server" {
  command = plan
  providers = {
    azurerm       = azurerm
    azurerm.vault = azurerm.vault
  }
  variables {
    sql_server_id = "/subscriptions/00000000-0000-4000-8000-000000000003/resourceGroups/rg-sql/providers/Microsoft.Sql/servers/sqlsvr-x/databases/d"
  }
  expect_failures = [var.sql_server_id]
}
