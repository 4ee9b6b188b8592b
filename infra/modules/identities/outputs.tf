# An app that gets its identity from here is made after the identity's rights, so that its host can read its storage and pull its
# image at the first start. So what the rights are on must not wait for these outputs.
output "backup" {
  description = "The backup app's identity; name is what docs/grants.sql calls it."
  value = {
    id           = azurerm_user_assigned_identity.app["backup"].id
    client_id    = azurerm_user_assigned_identity.app["backup"].client_id
    principal_id = azurerm_user_assigned_identity.app["backup"].principal_id
    name         = azurerm_user_assigned_identity.app["backup"].name
  }
  depends_on = [
    azurerm_role_assignment.vault, azurerm_role_assignment.other, azurerm_role_assignment.host, azurerm_role_assignment.registry,
    azurerm_role_assignment.telemetry,
  ]
}

output "restore" {
  description = "The restore app's identity; name is what docs/grants.sql calls it."
  value = {
    id           = azurerm_user_assigned_identity.app["restore"].id
    client_id    = azurerm_user_assigned_identity.app["restore"].client_id
    principal_id = azurerm_user_assigned_identity.app["restore"].principal_id
    name         = azurerm_user_assigned_identity.app["restore"].name
  }
  depends_on = [
    azurerm_role_assignment.vault, azurerm_role_assignment.other, azurerm_role_assignment.host, azurerm_role_assignment.registry,
    azurerm_role_assignment.telemetry,
  ]
}

output "role_ids" {
  description = "Resource ids of the custom roles by their names in roles.json; those on SQL servers only with sql_server_id."
  value = merge(
    { for name, r in azurerm_role_definition.vault : name => r.role_definition_resource_id },
    { for name, r in azurerm_role_definition.other : name => r.role_definition_resource_id },
  )
}
