mock_provider "azurerm" {
  mock_resource "azurerm_log_analytics_workspace" {
    defaults = { id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-test/providers/Microsoft.OperationalInsights/workspaces/log-test" }
  }
}

variables {
  name                = "test"
  resource_group_name = "rg-test"
  location            = "uksouth"
}

run "nobody_sends_or_reads_by_a_key" {
  command = plan
  assert {
    condition     = azurerm_log_analytics_workspace.logs.local_authentication_enabled == false
    error_message = "the workspace takes keys"
  }
  assert {
    condition     = azurerm_application_insights.apps.local_authentication_enabled == false
    error_message = "Application Insights takes keys"
  }
}

run "logs_are_not_capped_and_kept_a_quarter" {
  command = plan
  assert {
    condition     = azurerm_log_analytics_workspace.logs.daily_quota_gb == -1 && azurerm_log_analytics_workspace.logs.retention_in_days >= 90
    error_message = "alerts would go blind, or a late discovery would find nothing"
  }
}

run "wrong_input_is_refused" {
  command = plan
  variables {
    name           = "Test"
    retention_days = 7
    daily_quota_gb = 0
  }
  expect_failures = [var.name, var.retention_days, var.daily_quota_gb]
}
