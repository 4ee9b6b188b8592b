# Several servers and many databases in one vault: more instances, a plan for each app, an alert for each database.
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

locals {
  servers   = sort(keys(var.servers))
  protected = flatten([for s in local.servers : [for d in var.servers[s].databases : "${s}/${d}"]])
  # The alert on silence must know whose silence it hears, also where everything on a server is protected.
  watched = distinct(flatten([for s in local.servers : [for d in concat(var.servers[s].databases, var.servers[s].watched) : "${lower(split(".", s)[0])}/${d}" if d != "*"]]))
}

resource "azurerm_resource_group" "app" {
  name     = "rg-bacvault-${var.name}"
  location = var.location
}

resource "azurerm_resource_group" "vault" {
  provider = azurerm.vault
  name     = "rg-bacvault-vault-${var.name}"
  location = var.location
}

module "logs" {
  source              = "../../modules/logs"
  name                = var.name
  resource_group_name = azurerm_resource_group.app.name
  location            = var.location
}

module "vault" {
  source                     = "../../modules/vault"
  providers                  = { azurerm = azurerm.vault }
  account_name               = var.vault_account_name
  resource_group_name        = azurerm_resource_group.vault.name
  location                   = var.location
  retention_days             = var.retention_days
  policy_locked              = var.policy_locked
  unlocked_until             = var.unlocked_until
  log_analytics_workspace_id = module.logs.workspace_id
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
  vault_container_id    = module.vault.container_id
  state_container_id    = module.app.state_container_id
  host_account_ids      = module.app.host_account_ids # { backup, restore }: the Functions hosts' own storage
  bus_entity_ids        = module.bus.entity_ids       # { backup_requests, restore_requests, backup_events, … }
  application_insights  = { id = module.logs.application_insights_id }
  container_registry_id = var.container_registry_id
  operators             = var.operators  # principal ids: may ask for backups and restores
  readers               = var.readers    # principal ids: may look, and wait for what they asked for
  custodians            = var.custodians # principal ids: may lock and extend the policy
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
  sql_server_name               = join(",", local.servers)
  sql_database_name             = join(",", [for p in local.protected : "${split(".", split("/", p)[0])[0]}/${split("/", p)[1]}"])
  vault                         = module.vault.place # { subscription_id, resource_group_name, account_name, container_name, retention_days, unlocked_until }
  service_bus_fqdn              = module.bus.fqdn
  log_analytics_workspace_id    = module.logs.workspace_id
  application_insights_settings = module.logs.application_insights
  settings = merge(
    var.sql_resource_group_id == null ? {} : { BACVAULT_SQL_SUBSCRIPTION_ID = split("/", var.sql_resource_group_id)[2], BACVAULT_SQL_RESOURCE_GROUP = split("/", var.sql_resource_group_id)[4] },
    var.settings,
  )
  sku             = var.sku
  instances       = var.instances
  separate_plans  = true # drills of a whole estate must not take disk and memory from the nights
  backup_schedule = var.backup_schedule
  drill_schedule  = var.drill_schedule
  notify          = var.notify
}

module "alerts" {
  source                     = "../../modules/alerts"
  providers                  = { azurerm = azurerm, azurerm.vault = azurerm.vault }
  name                       = var.name
  resource_group_name        = azurerm_resource_group.app.name
  vault_resource_group_name  = azurerm_resource_group.vault.name
  location                   = var.location
  databases                  = local.watched
  silence_hours              = var.silence_hours
  email_receivers            = var.alert_emails
  log_analytics_workspace_id = module.logs.workspace_id
  bus_namespace_id           = module.bus.namespace_id
  failed_events              = module.bus.failed_events_alert # { entity, metric, aggregation }
  vault_account_id           = module.vault.account_id
}
