mock_provider "azurerm" {
  mock_resource "azurerm_monitor_action_group" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-test/providers/Microsoft.Insights/actionGroups/ag-apps" }
  }
}
mock_provider "azurerm" {
  alias = "vault"
  mock_resource "azurerm_monitor_action_group" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-vault/providers/Microsoft.Insights/actionGroups/ag-vault" }
  }
}

variables {
  name                       = "test"
  resource_group_name        = "rg-test"
  vault_resource_group_name  = "rg-vault"
  location                   = "uksouth"
  email_receivers            = ["ops@example.com", "dba@example.com"]
  databases                  = ["sqlsvr-test/Orders", "sqlsvr-test/My Sales"]
  log_analytics_workspace_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-test/providers/Microsoft.OperationalInsights/workspaces/log-test"
  bus_namespace_id           = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-test/providers/Microsoft.ServiceBus/namespaces/sb-test"
  vault_account_id           = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-vault/providers/Microsoft.Storage/storageAccounts/stvault"
  failed_events              = { entity = "failed-events", metric = "IncomingMessages", aggregation = "Total" }
}

run "silence_of_one_database_is_heard" {
  command = apply
  assert {
    condition     = alltrue([for d in var.databases : strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.silence.criteria[0].query, "\"${d}\"")])
    error_message = "a wanted database does not stand in the query"
  }
  assert {
    condition     = startswith(azurerm_monitor_scheduled_query_rules_alert_v2.silence.criteria[0].query, "StorageBlobLogs") && !strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.silence.criteria[0].query, "union")
    error_message = "a rule's query begins with a table and may hold no union"
  }
  assert {
    condition     = strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.silence.criteria[0].query, "join kind=rightouter (datatable") && strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.silence.criteria[0].query, "where isnull(Last)")
    error_message = "an empty log must leave every wanted database in the result"
  }
  assert {
    condition     = strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.silence.criteria[0].query, "\"PutBlob\" and StatusCode == \"201\"") && strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.silence.criteria[0].query, ".manifest.json") && strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.silence.criteria[0].query, "ago(26h)") && strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.silence.criteria[0].query, "\"stvault\"")
    error_message = "the commit mark is a manifest, created by Put Blob in the vault's account"
  }
  assert {
    condition     = azurerm_monitor_scheduled_query_rules_alert_v2.silence.criteria[0].dimension[0].name == "Wanted" && azurerm_monitor_scheduled_query_rules_alert_v2.silence.criteria[0].operator == "GreaterThan" && azurerm_monitor_scheduled_query_rules_alert_v2.silence.criteria[0].threshold == 0 && azurerm_monitor_scheduled_query_rules_alert_v2.silence.window_duration == "P2D"
    error_message = "any row is an alert, one for each database, over a window longer than the silence"
  }
  assert {
    condition     = azurerm_monitor_scheduled_query_rules_alert_v2.silence.skip_query_validation == true
    error_message = "in a new workspace the log has no table yet, and a rule that is validated is refused"
  }
}

run "failures_and_dead_letters_are_heard" {
  command = apply
  assert {
    condition     = azurerm_monitor_metric_alert.failed[0].criteria[0].metric_name == "IncomingMessages" && one(azurerm_monitor_metric_alert.failed[0].criteria[0].dimension[0].values) == "failed-events" && azurerm_monitor_metric_alert.failed[0].criteria[0].threshold == 0
    error_message = "a failed event is not an alert"
  }
  assert {
    condition     = azurerm_monitor_metric_alert.dead_letters.criteria[0].metric_name == "DeadletteredMessages" && alltrue([for q in ["backup-requests", "restore-requests", "backup-events"] : contains(azurerm_monitor_metric_alert.dead_letters.criteria[0].dimension[0].values, q)]) && azurerm_monitor_metric_alert.dead_letters.criteria[0].threshold == 0
    error_message = "a dead letter in a queue or below the topic is not an alert"
  }
}

run "drift_is_heard_in_the_vaults_subscription" {
  command = apply
  assert {
    condition = alltrue([for o in [
      "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/write",
      "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/delete",
      "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/lock/action",
      "Microsoft.Storage/storageAccounts/listKeys/action",
      "Microsoft.Storage/storageAccounts/regeneratekey/action",
      "Microsoft.Authorization/roleAssignments/write",
      "Microsoft.Authorization/roleDefinitions/write",
      "Microsoft.Authorization/locks/delete",
      "Microsoft.Insights/diagnosticSettings/delete",
    ] : contains([for a in azurerm_monitor_activity_log_alert.drift : a.criteria[0].operation_name], o)])
    error_message = "a change of the vault's protection is not an alert"
  }
  assert {
    condition     = alltrue([for a in azurerm_monitor_activity_log_alert.drift : a.resource_group_name == "rg-vault" && one(a.action).action_group_id == azurerm_monitor_action_group.vault.id && startswith(one(a.scopes), "/subscriptions/00000000-0000-0000-0000-000000000002")])
    error_message = "rules and receivers must lie in the vault's subscription"
  }
  assert {
    condition     = one(azurerm_monitor_activity_log_alert.drift["role-assigned"].scopes) == "/subscriptions/00000000-0000-0000-0000-000000000002"
    error_message = "a role given on the subscription reaches the vault too"
  }
}

run "everybody_is_told" {
  command = apply
  variables {
    action_group_ids = ["/subscriptions/00000000-0000-0000-0000-000000000003/resourceGroups/rg/providers/Microsoft.Insights/actionGroups/oncall"]
  }
  assert {
    condition     = length(azurerm_monitor_action_group.apps.email_receiver) == 2 && length(azurerm_monitor_action_group.vault.email_receiver) == 2
    error_message = "a receiver is missing"
  }
  assert {
    condition     = length(azurerm_monitor_metric_alert.dead_letters.action) == 2 && alltrue([for a in azurerm_monitor_activity_log_alert.drift : length(a.action) == 2]) && length(azurerm_monitor_scheduled_query_rules_alert_v2.silence.action[0].action_groups) == 2
    error_message = "an action group of the caller's is missing"
  }
}

run "the_old_alert_can_stay_while_one_moves" {
  command = apply
  variables {
    old_alert     = true
    failed_events = null
  }
  assert {
    condition     = length(azurerm_monitor_scheduled_query_rules_alert_v2.old) == 1 && strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.old[0].criteria[0].query, "PutBlockList") && azurerm_monitor_scheduled_query_rules_alert_v2.old[0].window_duration == "P2D" && azurerm_monitor_scheduled_query_rules_alert_v2.old[0].criteria[0].operator == "LessThan"
    error_message = "the old alert is not as it was"
  }
  assert {
    condition     = length(azurerm_monitor_metric_alert.failed) == 0
    error_message = "no queue, no alert"
  }
}

run "wrong_input_is_refused" {
  command = plan
  variables {
    name                 = "T"
    email_receivers      = []
    webhook_receivers    = { chat = "http://x" }
    databases            = ["sqlsvr-test/*"]
    silence_hours        = 48
    silence_frequency    = "PT7H"
    vault_account_id     = "stvault"
    dead_letter_entities = []
    failed_events        = { entity = "q", metric = "ActiveMessages", aggregation = "Total" }
    drift_operations     = { x = { scope = "tenant", operation = "y" } }
    silent_operations    = ["everything"]
    severity             = { silence = 7 }
  }
  expect_failures = [var.name, var.email_receivers, var.webhook_receivers, var.databases, var.silence_hours, var.silence_frequency, var.vault_account_id, var.dead_letter_entities, var.failed_events, var.drift_operations, var.silent_operations, var.severity]
}
