# Names and numbers stand in entities.json, so that a test of the project can hold them equal to the functions, the documents and
# the stand-in.
locals {
  entities      = jsondecode(file("${path.module}/entities.json"))
  subscriptions = { for name, s in local.entities.subscriptions : name => s if name != "notify" || var.notify }
}

resource "azurerm_servicebus_namespace" "bus" {
  name                = "sb-bacvault-${var.name}"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags

  sku                          = var.sku
  capacity                     = var.sku == "Premium" ? var.premium_capacity : 0
  premium_messaging_partitions = var.sku == "Premium" ? 1 : 0

  # No shared access signatures: every sender and receiver is somebody.
  local_auth_enabled            = false
  minimum_tls_version           = "1.2"
  public_network_access_enabled = var.public_network_access_enabled
}

# A run takes longer than any lock: the host renews it, and a handler that died lets the message come back after 5 minutes. No time
# to live: a request waits until it is done or dead-lettered, and is never dropped.
resource "azurerm_servicebus_queue" "requests" {
  for_each     = local.entities.queues
  name         = each.key
  namespace_id = azurerm_servicebus_namespace.bus.id

  lock_duration                           = each.value.lock_duration
  max_delivery_count                      = each.value.max_delivery_count
  requires_duplicate_detection            = true
  duplicate_detection_history_time_window = each.value.duplicate_detection_window
  dead_lettering_on_message_expiration    = each.value.dead_lettering_on_message_expiration
}

resource "azurerm_servicebus_topic" "events" {
  name         = local.entities.topic.name
  namespace_id = azurerm_servicebus_namespace.bus.id

  requires_duplicate_detection            = true
  duplicate_detection_history_time_window = local.entities.topic.duplicate_detection_window
}

# Azure's metrics know queues and topics, no subscriptions. So what needs a person is forwarded to a queue, and an alert looks at
# the queue: it needs neither app nor log. Nobody reads it.
resource "azurerm_servicebus_queue" "failed_events" {
  name         = local.entities.alert_queue.name
  namespace_id = azurerm_servicebus_namespace.bus.id

  lock_duration       = local.entities.alert_queue.lock_duration
  max_delivery_count  = local.entities.alert_queue.max_delivery_count
  default_message_ttl = local.entities.alert_queue.time_to_live
}

# Every subscription has a time to live: one that nobody reads would fill the topic until nothing can be published and no request is
# settled. What expires is dropped, not dead-lettered, for dead letters never expire.
resource "azurerm_servicebus_subscription" "events" {
  for_each = local.subscriptions
  name     = each.key
  topic_id = azurerm_servicebus_topic.events.id

  lock_duration                        = each.value.lock_duration
  max_delivery_count                   = each.value.max_delivery_count
  default_message_ttl                  = try(each.value.time_to_live, var.events_time_to_live)
  dead_lettering_on_message_expiration = false
  forward_to                           = try(each.value.forward_to, null) == null ? null : azurerm_servicebus_queue.failed_events.name
}

# Each has a rule of its own, `all` too: with the provider's feature auto_delete_subscription_default_rule a subscription without one
# takes nothing. Without that feature a new subscription takes everything until its rule is there, some seconds later.
resource "azurerm_servicebus_subscription_rule" "events" {
  for_each        = local.subscriptions
  name            = each.value.rule
  subscription_id = azurerm_servicebus_subscription.events[each.key].id
  filter_type     = "SqlFilter"
  sql_filter      = local.entities.rules[each.value.rule]
}

resource "azurerm_monitor_diagnostic_setting" "bus" {
  name                           = "bacvault"
  target_resource_id             = azurerm_servicebus_namespace.bus.id
  log_analytics_workspace_id     = var.log_analytics_workspace_id
  log_analytics_destination_type = "Dedicated"

  # Who changed entities, and, in Premium, who sent and received.
  dynamic "enabled_log" {
    for_each = toset(var.sku == "Premium" ? ["OperationalLogs", "RuntimeAuditLogs"] : ["OperationalLogs"])
    content {
      category = enabled_log.value
    }
  }
  enabled_metric {
    category = "AllMetrics"
  }
}
