# Alerts that do not ask the app. What each can't see stands in its description and in README.md.
locals {
  receivers = { for i, e in var.email_receivers : format("mail-%02d", i) => e }
  vault     = element(split("/", var.vault_account_id), 8)
}

resource "azurerm_monitor_action_group" "apps" {
  name                = "ag-bacvault-${var.name}"
  resource_group_name = var.resource_group_name
  short_name          = "bacvault"
  tags                = var.tags
  dynamic "email_receiver" {
    for_each = local.receivers
    content {
      name                    = email_receiver.key
      email_address           = email_receiver.value
      use_common_alert_schema = true
    }
  }
  dynamic "webhook_receiver" {
    for_each = var.webhook_receivers
    content {
      name                    = webhook_receiver.key
      service_uri             = webhook_receiver.value
      use_common_alert_schema = true
    }
  }
}

# The commit mark of a backup is its manifest, written by one create-only Put Blob. The rule reads the vault account's own log, so it
# hears a dead app as well as a failed night. The databases that are wanted stand in the query: one of which the log says nothing, or
# an empty log, is a row and so an alert. One alert for each database, by the dimension.
# Blob names are percent-encoded once by bacvault; how the log writes them is not told, so both sides are decoded to the end.
resource "azurerm_monitor_scheduled_query_rules_alert_v2" "silence" {
  name                    = "bacvault-${var.name}-silence"
  display_name            = "bacvault ${var.name}: no backup in ${var.silence_hours} hours"
  description             = "No manifest of a database was written to ${local.vault} in ${var.silence_hours} hours. Runbook: bacvault status, then docs/runbook.md. Can't see: whether the backup can be restored (a drill says so), databases that are not listed, a diagnostic setting that was taken away (that looks like silence)."
  resource_group_name     = var.resource_group_name
  location                = var.location
  scopes                  = [var.log_analytics_workspace_id]
  severity                = var.severity.silence
  evaluation_frequency    = var.silence_frequency
  window_duration         = "P2D"
  auto_mitigation_enabled = true
  # A new workspace has no table StorageBlobLogs before its first line: the rule would be refused (https://github.com/Azure/bicep/issues/11378).
  skip_query_validation = true
  tags                  = var.tags

  criteria {
    # A rule's query must begin with a table, so the wanted databases come in by the right side of the join.
    query                   = <<-KQL
      StorageBlobLogs
      | where TimeGenerated > ago(${var.silence_hours}h)
      | where AccountName == "${local.vault}" and OperationName == "PutBlob" and StatusCode == "201"
      | extend Blob = tolower(url_decode(url_decode(trim('"', ObjectKey))))
      | where Blob endswith ".manifest.json"
      | extend Parts = split(Blob, "/")
      | summarize Last = max(TimeGenerated) by Database = strcat(tostring(Parts[3]), "/", tostring(Parts[4]))
      | join kind=rightouter (datatable(Wanted: string) [
      ${join(",\n      ", [for d in var.databases : "\"${d}\""])}
      ] | extend Database = tolower(url_decode(url_decode(Wanted)))) on Database
      | where isnull(Last)
      | project Wanted
    KQL
    time_aggregation_method = "Count"
    operator                = "GreaterThan"
    threshold               = 0
    dimension {
      name     = "Wanted"
      operator = "Include"
      values   = ["*"]
    }
    failing_periods {
      minimum_failing_periods_to_trigger_alert = 1
      number_of_evaluation_periods             = 1
    }
  }
  action {
    action_groups = concat([azurerm_monitor_action_group.apps.id], var.action_group_ids)
  }
}

# The old jobs' alert, for those who move: any Put Block List in the account counts, so one database's silence hides behind another.
resource "azurerm_monitor_scheduled_query_rules_alert_v2" "old" {
  count                   = var.old_alert ? 1 : 0
  name                    = "bacvault-${var.name}-putblocklist"
  display_name            = "bacvault ${var.name}: no PutBlockList in 48 hours"
  description             = "The alert of the PowerShell jobs. Can't see: one database's silence, an archive that does not hold, a blob without a manifest."
  resource_group_name     = var.resource_group_name
  location                = var.location
  scopes                  = [var.log_analytics_workspace_id]
  severity                = var.severity.silence
  evaluation_frequency    = "PT1H"
  window_duration         = "P2D"
  auto_mitigation_enabled = true
  skip_query_validation   = true # as above
  tags                    = var.tags

  criteria {
    query                   = <<-KQL
      StorageBlobLogs
      | where AccountName == "${local.vault}" and OperationName == "PutBlockList" and StatusCode == "201"
    KQL
    time_aggregation_method = "Count"
    operator                = "LessThan"
    threshold               = 1
    failing_periods {
      minimum_failing_periods_to_trigger_alert = 1
      number_of_evaluation_periods             = 1
    }
  }
  action {
    action_groups = concat([azurerm_monitor_action_group.apps.id], var.action_group_ids)
  }
}

resource "azurerm_monitor_metric_alert" "failed" {
  count               = var.failed_events == null ? 0 : 1
  name                = "bacvault-${var.name}-failed"
  description         = "A failed event was published: bacvault events. Can't see: a run that died before it could tell (silence and dead letters do), and with ActiveMessages a second failure while the queue still holds the first: empty it."
  resource_group_name = var.resource_group_name
  scopes              = [var.bus_namespace_id]
  severity            = var.severity.failed
  frequency           = "PT1M"
  window_size         = "PT5M"
  tags                = var.tags
  criteria {
    metric_namespace = "Microsoft.ServiceBus/namespaces"
    metric_name      = var.failed_events.metric
    aggregation      = var.failed_events.aggregation
    operator         = "GreaterThan"
    threshold        = 0
    dimension {
      name     = "EntityName"
      operator = "Include"
      values   = [var.failed_events.entity]
    }
  }
  dynamic "action" {
    for_each = concat([azurerm_monitor_action_group.apps.id], var.action_group_ids)
    content {
      action_group_id = action.value
    }
  }
}

resource "azurerm_monitor_metric_alert" "dead_letters" {
  name                = "bacvault-${var.name}-dead-letters"
  description         = "Messages lie among the dead letters: bacvault dead-letters list. Can't see: which subscription of a topic they lie in, and new ones while older ones still lie there."
  resource_group_name = var.resource_group_name
  scopes              = [var.bus_namespace_id]
  severity            = var.severity.dead_letters
  frequency           = "PT5M"
  window_size         = "PT15M"
  tags                = var.tags
  criteria {
    metric_namespace = "Microsoft.ServiceBus/namespaces"
    metric_name      = "DeadletteredMessages"
    aggregation      = "Maximum"
    operator         = "GreaterThan"
    threshold        = var.dead_letter_threshold
    dimension {
      name     = "EntityName"
      operator = "Include"
      values   = var.dead_letter_entities
    }
  }
  dynamic "action" {
    for_each = concat([azurerm_monitor_action_group.apps.id], var.action_group_ids)
    content {
      action_group_id = action.value
    }
  }
}
