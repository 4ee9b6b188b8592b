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

output "environment" {
  description = "What bacvault reads of each app's settings: backup, restore. For a command line or a doctor outside of the apps; no secret is in it."
  value       = local.environment
}

output "cli_environment" {
  description = "The environment of a person's command line, as lines for a shell. Work folder and sqlpackage are the machine's own."
  value       = join("\n", [for k, q in local.quoted["backup"] : "export ${k}=${q}"])
}

output "grants_commands" {
  description = "The commands that give both identities their rights in SQL, a block for each server; to be run in the repository's root. Put your databases in the place of EACH_DATABASE."
  value       = join("\n", local.grants)
}

output "doctor_commands" {
  description = "For each app the commands that run the doctor once with its image, settings and identity in a container instance, show what it said and its exit code, and delete it."
  value       = local.doctor
}

output "outbound_addresses" {
  description = "Addresses that the apps may come from, where no subnet is set."
  value       = sort(distinct(flatten([for a in azurerm_linux_function_app.app : a.possible_outbound_ip_address_list])))
}
