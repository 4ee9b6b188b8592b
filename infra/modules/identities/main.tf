# One identity for each app, so that neither can do what the other may.
resource "azurerm_user_assigned_identity" "app" {
  for_each            = toset(["backup", "restore"])
  name                = "id-bacvault-${var.name}-${each.key}"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
}

# Who may do what stands in roles.json. A test of the project holds it equal to the table that the local stand-ins enforce, so that a
# right which is missing here is missing there too. Rights in SQL Server are not Azure's to give: docs/grants.sql.
locals {
  data = jsondecode(file("${path.module}/roles.json"))

  # The scope of each grant. Never more than a container, a queue, a topic, a subscription or a SQL server, but for one: the status
  # of a copy is read beside the server, in its resource group.
  sql_resource_group = var.sql_server_id == null ? null : join("/", slice(split("/", var.sql_server_id), 0, 5))
  scopes = merge(var.bus_entity_ids, {
    vault_container    = var.vault_container_id
    state_container    = var.state_container_id
    sql_server         = var.sql_server_id
    sql_resource_group = local.sql_resource_group
  })

  # Where a custom role is defined and can be assigned: a resource group is the smallest that Azure takes.
  homes = {
    vault = join("/", slice(split("/", var.vault_container_id), 0, 5))
    app   = join("/", slice(split("/", var.state_container_id), 0, 5))
    bus   = join("/", slice(split("/", var.bus_entity_ids.backup_events), 0, 5))
    sql   = local.sql_resource_group
  }

  principals = {
    backup     = { backup = azurerm_user_assigned_identity.app["backup"].principal_id }
    restore    = { restore = azurerm_user_assigned_identity.app["restore"].principal_id }
    operators  = { for id in var.operators : id => id }
    readers    = { for id in var.readers : id => id }
    alerting   = { for id in var.alerting : id => id }
    custodians = { for id in var.custodians : id => id }
    promoters  = { for id in var.promoters : id => id }
  }

  wanted = { always = true, notify = var.notify, copy_by_management = var.copy_by_management, restore_promotes = var.restore_promotes }

  # One assignment for each principal of each grant, under a name that is known before anything exists.
  assignments = merge([
    for g in local.data.grants : {
      for name, id in local.principals[g.principal] :
      "${name}/${g.role}/${g.scope}" => { role = g.role, scope = g.scope, principal_id = id, ours = contains(["backup", "restore"], g.principal) }
    } if local.wanted[try(g.when, "always")]
  ]...)

  # All are made, also those that nobody holds yet, so that somebody can be made eligible for an hour.
  roles = { for name, r in local.data.roles : name => r if r.home != "sql" || var.sql_server_id != null }
}
