output "apps" {
  description = "Names of the two apps."
  value       = module.app.names
}

output "identities" {
  description = "Names of the two identities: what docs/grants.sql takes as BackupIdentity and RestoreIdentity."
  value       = { backup = module.identities.backup.name, restore = module.identities.restore.name }
}

output "vault" {
  description = "Where the vault is, and until when its policy may be unlocked."
  value       = module.vault.place
}

output "status_address" {
  description = "The status page: through a private endpoint of yours, or opened by modules/app's status_page."
  value       = module.app.status_address
}

output "silence_query" {
  description = "The query behind the alert on silence: run it once by hand when the first backup is there. It must print nothing."
  value       = module.alerts.silence_query
}

output "watched" {
  description = "The databases whose silence is an alert."
  value       = local.watched
}

output "grants_commands" {
  description = "terraform output -raw grants_commands: gives both identities their rights in SQL. Run it in the repository's root, as the server's Entra administrator."
  value       = module.app.grants_commands
}

output "doctor_commands" {
  description = "terraform output -json doctor_commands | jq -r .backup (or .restore): runs the doctor once as that app."
  value       = module.app.doctor_commands
}

output "cli_environment" {
  description = "eval \"$(terraform output -raw cli_environment)\": the environment in which bacvault runs on your own machine. No secret."
  value       = module.app.cli_environment
}

output "outbound_addresses" {
  description = "Addresses that the apps may come from, where no subnet is set: what the SQL server's firewall must let in."
  value       = module.app.outbound_addresses
}
