output "action_group_id" {
  description = "Receivers of the alerts on logs and Service Bus."
  value       = azurerm_monitor_action_group.apps.id
}

output "vault_action_group_id" {
  description = "Receivers of the alerts on the vault's activity log."
  value       = azurerm_monitor_action_group.vault.id
}

output "silence_query" {
  description = "The query that hears silence, to be run by hand in the workspace."
  value       = azurerm_monitor_scheduled_query_rules_alert_v2.silence.criteria[0].query
}
