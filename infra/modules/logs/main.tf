# Where logs go: one workspace, and Application Insights on top of it. Nobody sends or reads by a key.

resource "azurerm_log_analytics_workspace" "logs" {
  name                         = "log-bacvault-${var.name}"
  resource_group_name          = var.resource_group_name
  location                     = var.location
  sku                          = "PerGB2018"
  retention_in_days            = var.retention_days
  daily_quota_gb               = var.daily_quota_gb
  local_authentication_enabled = false
  tags                         = var.tags
}

resource "azurerm_application_insights" "apps" {
  name                         = "appi-bacvault-${var.name}"
  resource_group_name          = var.resource_group_name
  location                     = var.location
  application_type             = "other"
  workspace_id                 = azurerm_log_analytics_workspace.logs.id
  local_authentication_enabled = false # then the connection string is an address, and the key in it opens nothing
  # host.json says what is sampled: requests and log lines never are. A second sampling here would thin them.
  sampling_percentage                  = 100
  daily_data_cap_in_gb                 = var.daily_quota_gb > 0 ? var.daily_quota_gb : 100
  daily_data_cap_notifications_enabled = true
  tags                                 = var.tags
}
