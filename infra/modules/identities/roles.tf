resource "azurerm_role_definition" "vault" {
  provider    = azurerm.vault
  for_each    = { for name, r in local.roles : name => r if r.home == "vault" }
  name        = "bacvault ${var.name} ${each.key}"
  description = each.value.description
  scope       = local.homes.vault

  permissions {
    actions      = each.value.actions
    data_actions = each.value.data_actions
  }
  assignable_scopes = [local.homes.vault]

  lifecycle {
    precondition {
      condition = alltrue([
        for a in concat(each.value.actions, each.value.data_actions) :
        !can(regex("(?i)(\\*|/delete$|/delete/|deleteBlobVersion|permanentDelete|immutabilityPolicies/write$|LegalHold|runAsSuperUser|/migrate/|listKeys|Microsoft\\.Authorization)", a))
      ])
      error_message = "roles.json: no role on the vault may hold a wildcard, a delete, or what writes, shortens or removes its policy."
    }
  }
}

resource "azurerm_role_definition" "other" {
  for_each    = { for name, r in local.roles : name => r if r.home != "vault" }
  name        = "bacvault ${var.name} ${each.key}"
  description = each.value.description
  scope       = local.homes[each.value.home]

  permissions {
    actions      = each.value.actions
    data_actions = each.value.data_actions
  }
  assignable_scopes = [local.homes[each.value.home]]

  lifecycle {
    precondition {
      condition     = alltrue([for a in concat(each.value.actions, each.value.data_actions) : !strcontains(a, "*")])
      error_message = "roles.json: no role may hold a wildcard."
    }
  }
}

resource "azurerm_role_assignment" "vault" {
  provider           = azurerm.vault
  for_each           = { for key, a in local.assignments : key => a if local.data.roles[a.role].home == "vault" }
  scope              = local.scopes[each.value.scope]
  role_definition_id = azurerm_role_definition.vault[each.value.role].role_definition_resource_id
  principal_id       = each.value.principal_id
  # A new identity is not everywhere at once; with its type Azure does not look it up. Of people the type is not known here.
  principal_type = each.value.ours ? "ServicePrincipal" : null
}

resource "azurerm_role_assignment" "other" {
  for_each           = { for key, a in local.assignments : key => a if local.data.roles[a.role].home != "vault" }
  scope              = local.scopes[each.value.scope]
  role_definition_id = azurerm_role_definition.other[each.value.role].role_definition_resource_id
  principal_id       = each.value.principal_id
  principal_type     = each.value.ours ? "ServicePrincipal" : null
}

# The host's own, on its own account and no other: timers' status, locks and keys are blobs. Neither queues nor tables: the triggers
# are Service Bus and timers. Without a right to tables the host may log that it can't write diagnostic events
# (https://learn.microsoft.com/azure/azure-functions/functions-reference#connecting-to-host-storage-with-an-identity).
resource "azurerm_role_assignment" "host" {
  for_each             = azurerm_user_assigned_identity.app
  scope                = var.host_account_ids[each.key]
  role_definition_name = "Storage Blob Data Owner"
  principal_id         = each.value.principal_id
  principal_type       = "ServicePrincipal"

  lifecycle {
    precondition {
      condition     = !startswith(lower(var.vault_container_id), lower("${var.host_account_ids[each.key]}/"))
      error_message = "host_account_ids: the vault lies in this account. The host's role may delete everything in it: give the host an account of its own."
    }
  }
}

resource "azurerm_role_assignment" "registry" {
  for_each             = var.container_registry_id == null ? {} : azurerm_user_assigned_identity.app
  scope                = var.container_registry_id
  role_definition_name = "AcrPull"
  principal_id         = each.value.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "telemetry" {
  for_each             = var.application_insights == null ? {} : azurerm_user_assigned_identity.app
  scope                = var.application_insights.id
  role_definition_name = "Monitoring Metrics Publisher"
  principal_id         = each.value.principal_id
  principal_type       = "ServicePrincipal"
}
