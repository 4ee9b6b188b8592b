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
