mock_provider "azurerm" {
  mock_resource "azurerm_servicebus_namespace" {
    defaults = {
      id       = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-app/providers/Microsoft.ServiceBus/namespaces/sb-bacvault-x"
      endpoint = "https://sb-bacvault-x.servicebus.windows.net:443/"
    }
  }
  mock_resource "azurerm_servicebus_queue" {
    defaults = {
      id = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-app/providers/Microsoft.ServiceBus/namespaces/sb-bacvault-x/queues/q"
    }
  }
  mock_resource "azurerm_servicebus_topic" {
    defaults = {
      id = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-app/providers/Microsoft.ServiceBus/namespaces/sb-bacvault-x/topics/backup-events"
    }
  }
  mock_resource "azurerm_servicebus_subscription" {
    defaults = {
      id = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-app/providers/Microsoft.ServiceBus/namespaces/sb-bacvault-x/topics/backup-events/subscriptions/s"
    }
  }
}

variables {
  name                       = "x"
  resource_group_name        = "rg-app"
  location                   = "uksouth"
  log_analytics_workspace_id = "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/rg-logs/providers/Microsoft.OperationalInsights/workspaces/log-x"
}

run "standard" {
  command = apply
  assert {
    condition     = !azurerm_servicebus_namespace.bus.local_auth_enabled && azurerm_servicebus_namespace.bus.minimum_tls_version == "1.2" && azurerm_servicebus_namespace.bus.sku == "Standard"
    error_message = "no shared access signatures, TLS 1.2"
  }
  assert {
    condition     = toset(keys(azurerm_servicebus_queue.requests)) == toset(["backup-requests", "restore-requests"])
    error_message = "one queue for backups, one for restores"
  }
  assert {
    condition = alltrue([for q in azurerm_servicebus_queue.requests :
      q.lock_duration == "PT5M" && q.max_delivery_count == 5 && q.requires_duplicate_detection
      && q.duplicate_detection_history_time_window == "PT10M" && q.dead_lettering_on_message_expiration && q.requires_session != true
    ])
    error_message = "requests: lock 5 minutes, 5 deliveries, duplicates within 10 minutes, what expires is dead-lettered"
  }
  assert {
    condition     = azurerm_servicebus_topic.events.requires_duplicate_detection && azurerm_servicebus_topic.events.duplicate_detection_history_time_window == "PT10M"
    error_message = "a publish that is repeated is dropped"
  }
  assert {
    condition     = toset(keys(azurerm_servicebus_subscription.events)) == toset(["all", "failures", "failures-alert"])
    error_message = "notify only where it is asked for"
  }
  assert {
    condition = alltrue([for s in azurerm_servicebus_subscription.events :
      s.default_message_ttl != null && can(regex("^P[1-9][0-9]?D$", s.default_message_ttl)) && !s.dead_lettering_on_message_expiration
    ])
    error_message = "a subscription that nobody reads must not fill the topic, nor its dead letters"
  }
  assert {
    condition = alltrue([for name, s in azurerm_servicebus_subscription.events :
      length([for r in azurerm_servicebus_subscription_rule.events : r if r.filter_type == "SqlFilter"]) == length(azurerm_servicebus_subscription.events)
      && azurerm_servicebus_subscription_rule.events[name].sql_filter == (name == "all" ? "1=1" : azurerm_servicebus_subscription_rule.events["failures"].sql_filter)
    ])
    error_message = "each subscription has a rule of its own: without one it takes nothing"
  }
  assert {
    condition     = azurerm_servicebus_subscription.events["failures-alert"].forward_to == azurerm_servicebus_queue.failed_events.name && azurerm_servicebus_subscription.events["all"].forward_to == null && azurerm_servicebus_subscription.events["failures"].forward_to == null
    error_message = "the alert's subscription alone forwards"
  }
  assert {
    condition     = azurerm_servicebus_queue.failed_events.default_message_ttl == "PT1H"
    error_message = "what nobody reads must expire"
  }
  assert {
    condition     = output.fqdn == "sb-bacvault-x.servicebus.windows.net"
    error_message = "the namespace without scheme and port: ${output.fqdn}"
  }
  assert {
    condition     = output.entity_ids.subscription_notify == null && endswith(output.entity_ids.backup_events, "/topics/backup-events")
    error_message = "ids of what is there, null for what is not"
  }
  assert {
    condition     = output.failed_events_alert == { entity = "failed-events", metric = "IncomingMessages", aggregation = "Total" }
    error_message = "in Standard forwarded messages count as incoming"
  }
}

run "premium_with_notify" {
  command = apply
  variables {
    sku                           = "Premium"
    notify                        = true
    public_network_access_enabled = false
  }
  assert {
    condition     = azurerm_servicebus_namespace.bus.capacity == 1 && !azurerm_servicebus_namespace.bus.public_network_access_enabled
    error_message = "Premium has a capacity and may be private"
  }
  assert {
    condition     = azurerm_servicebus_subscription.events["notify"].default_message_ttl == "P7D" && azurerm_servicebus_subscription.events["notify"].max_delivery_count == 10 && azurerm_servicebus_subscription.events["notify"].lock_duration == "PT1M"
    error_message = "notify as docs/events.md has it"
  }
  assert {
    condition     = output.entity_ids.subscription_notify != null
    error_message = "the id of notify"
  }
  assert {
    condition     = output.failed_events_alert == { entity = "failed-events", metric = "ActiveMessages", aggregation = "Maximum" }
    error_message = "in Premium forwarded messages do not count as incoming"
  }
}

run "basic" {
  command = plan
  variables {
    sku = "Basic"
  }
  expect_failures = [var.sku]
}

run "private_standard" {
  command = plan
  variables {
    public_network_access_enabled = false
  }
  expect_failures = [var.public_network_access_enabled]
}

run "odd_capacity" {
  command = plan
  variables {
    premium_capacity = 3
  }
  expect_failures = [var.premium_capacity]
}

run "events_without_an_end" {
  command = plan
  variables {
    events_time_to_live = "P10675199D"
  }
  expect_failures = [var.events_time_to_live]
}

run "a_long_name" {
  command = plan
  variables {
    name = "bacvault-production"
  }
  expect_failures = [var.name]
}
