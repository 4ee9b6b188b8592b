output "workspace_id" {
  description = "The Log Analytics workspace."
  value       = azurerm_log_analytics_workspace.logs.id
}

output "application_insights_id" {
  description = "Both identities need Monitoring Metrics Publisher on it: without that right nothing arrives."
  value       = azurerm_application_insights.apps.id
}

output "application_insights" {
  description = "What the apps need to send: connection_string. The provider marks it sensitive; with local authentication off it is an address only."
  sensitive   = true
  value       = { connection_string = azurerm_application_insights.apps.connection_string }
}
