output "fqdn" {
  description = "ServiceBusConnection__fullyQualifiedNamespace of the apps."
  value       = trimsuffix(split(":", trimprefix(azurerm_servicebus_namespace.bus.endpoint, "https://"))[0], "/")
}

output "namespace_id" {
  description = "Resource id of the namespace, for alerts and private endpoints."
  value       = azurerm_servicebus_namespace.bus.id
}

output "entity_ids" {
  description = "Resource ids of queues, topic and subscriptions: the scopes of roles. subscription_notify is null where there is none."
  value = {
    backup_requests       = azurerm_servicebus_queue.requests["backup-requests"].id
    restore_requests      = azurerm_servicebus_queue.requests["restore-requests"].id
    backup_events         = azurerm_servicebus_topic.events.id
    subscription_all      = azurerm_servicebus_subscription.events["all"].id
    subscription_failures = azurerm_servicebus_subscription.events["failures"].id
    subscription_notify   = one([for name, s in azurerm_servicebus_subscription.events : s.id if name == "notify"])
  }
}

# Incoming Messages counts what is forwarded in Standard, and does not in Premium
# (https://learn.microsoft.com/azure/service-bus-messaging/monitor-service-bus-reference). Active Messages counts in both, but goes down
# only when messages are taken or expire, and Service Bus expires them late where nobody listens.
output "failed_events_alert" {
  description = "What a metric alert on events that need a person looks at: the value of the dimension EntityName, metric and aggregation. Any value above 0 is a failure."
  value = {
    entity      = azurerm_servicebus_queue.failed_events.name
    metric      = var.sku == "Premium" ? "ActiveMessages" : "IncomingMessages"
    aggregation = var.sku == "Premium" ? "Maximum" : "Total"
  }
}
