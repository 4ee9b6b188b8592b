# In the place of the PowerShell jobs: their storage account and container stay, with all old files; their policy is taken over.
terraform {
  required_version = ">= 1.9"
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 5.2"
    }
  }
}

provider "azurerm" {
  features {
    storage {
      data_plane_available = false # nothing here needs it, and a private account would not answer
    }
    servicebus {
      auto_delete_subscription_default_rule = true # else a new subscription takes every event until its rule is there
    }
  }
  subscription_id     = var.subscription_id
  storage_use_azuread = true
}

# Whoever owns the apps' subscription must not own the vault's.
provider "azurerm" {
  alias = "vault"
  features {
    storage {
      data_plane_available = false
    }
  }
  subscription_id     = var.vault_subscription_id
  storage_use_azuread = true
}

resource "azurerm_resource_group" "app" {
  name     = "rg-bacvault-${var.name}"
  location = var.location
}

# The account and the container are not made here, and not read either: a data source would carry the account's keys into the state.
locals {
  vault_account_id   = "/subscriptions/${var.vault_subscription_id}/resourceGroups/${var.vault_resource_group_name}/providers/Microsoft.Storage/storageAccounts/${var.storage_account_name}"
  databases          = flatten([for s in split(",", var.sql_server_name) : [for d in split(",", var.sql_database_name) : "${lower(split(".", trimspace(s))[0])}/${trimspace(d)}"]])
  vault_container_id = "${local.vault_account_id}/blobServices/default/containers/${var.storage_container_name}"
}

module "logs" {
  source              = "../../modules/logs"
  name                = var.name
  resource_group_name = azurerm_resource_group.app.name
  location            = var.location
}

module "bus" {
  source                     = "../../modules/bus"
  name                       = var.name
  resource_group_name        = azurerm_resource_group.app.name
  location                   = var.location
  log_analytics_workspace_id = module.logs.workspace_id
  notify                     = var.notify != null
}

# Who may do what: two identities, custom roles, their assignments.
module "identities" {
  source                = "../../modules/identities"
  providers             = { azurerm = azurerm, azurerm.vault = azurerm.vault }
  name                  = var.name
  resource_group_name   = azurerm_resource_group.app.name
  location              = var.location
  vault_container_id    = local.vault_container_id
  state_container_id    = module.app.state_container_id
  host_account_ids      = module.app.host_account_ids # { backup, restore }: the Functions hosts' own storage
  bus_entity_ids        = module.bus.entity_ids       # { backup_requests, restore_requests, backup_events, … }
  application_insights  = { id = module.logs.application_insights_id }
  container_registry_id = var.container_registry_id
  operators             = var.operators  # principal ids: may ask for backups and restores
  readers               = var.readers    # principal ids: may look, and wait for what they asked for
  custodians            = var.custodians # principal ids: may lock and extend the policy
  promoters             = var.promoters  # principal ids: may promote
  sql_server_id         = length(var.promoters) > 0 ? var.sql_server_id : null
  notify                = var.notify != null
}

module "app" {
  source                        = "../../modules/app"
  name                          = var.name
  resource_group_name           = azurerm_resource_group.app.name
  location                      = var.location
  image                         = var.image                 # { registry, name, digest or tag }
  backup_identity               = module.identities.backup  # { id, client_id, principal_id, name }
  restore_identity              = module.identities.restore # { id, client_id, principal_id, name }
  sql_server_name               = var.sql_server_name
  sql_database_name             = var.sql_database_name
  vault                         = local.place
  service_bus_fqdn              = module.bus.fqdn
  log_analytics_workspace_id    = module.logs.workspace_id
  application_insights_settings = module.logs.application_insights
  settings                      = merge({ TARGET_SUBSCRIPTION_ID = var.vault_subscription_id }, { BACVAULT_SQL_SUBSCRIPTION_ID = split("/", var.sql_server_id)[2], BACVAULT_SQL_RESOURCE_GROUP = split("/", var.sql_server_id)[4] }, var.settings)
  notify                        = var.notify
}

module "alerts" {
  source                     = "../../modules/alerts"
  providers                  = { azurerm = azurerm, azurerm.vault = azurerm.vault }
  name                       = var.name
  resource_group_name        = azurerm_resource_group.app.name
  vault_resource_group_name  = var.vault_resource_group_name
  location                   = var.location
  databases                  = local.databases
  old_alert                  = var.old_alert
  email_receivers            = var.alert_emails
  log_analytics_workspace_id = module.logs.workspace_id
  bus_namespace_id           = module.bus.namespace_id
  failed_events              = module.bus.failed_events_alert # { entity, metric, aggregation }
  vault_account_id           = local.vault_account_id
}
