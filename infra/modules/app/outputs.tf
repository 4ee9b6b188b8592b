output "state_container_id" {
  description = "The mutable container of both apps: leases, progress, snapshot."
  value       = azurerm_storage_container.state.id
}

output "host_account_ids" {
  description = "The hosts' own accounts: backup, restore."
  value       = { for app, a in azurerm_storage_account.host : app => a.id }
}

output "names" {
  description = "The apps' names: backup, restore."
  value       = { for app, a in azurerm_linux_function_app.app : app => a.name }
}

output "ids" {
  description = "The apps' resource ids: backup, restore."
  value       = { for app, a in azurerm_linux_function_app.app : app => a.id }
}

output "hostnames" {
  description = "The apps' host names: backup, restore."
  value       = { for app, a in azurerm_linux_function_app.app : app => a.default_hostname }
}

output "status_address" {
  description = "Address of the status page. Messages link to it where settings hold it as BACVAULT_STATUS_URL; write it out there, for a reference would go in a circle."
  value       = "https://${azurerm_linux_function_app.app["backup"].default_hostname}/api/status"
}
