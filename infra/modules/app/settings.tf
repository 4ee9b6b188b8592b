# The app settings. A test in conformance/ holds every name here against docs/settings.md, functions/ and host_settings.json.
locals {
  functions = jsondecode(file("${path.module}/functions.json"))

  schedules = {
    BACKUP_SCHEDULE         = var.backup_schedule
    BACVAULT_DRILL_SCHEDULE = var.drill_schedule
  }

  waiver = var.vault.unlocked_until == null ? {} : {
    BACVAULT_ALLOW_UNLOCKED_UNTIL  = var.vault.unlocked_until
    BACVAULT_ALLOW_UNLOCKED_REASON = var.unlocked_reason
  }

  # A reference, so that the webhook stands neither in state nor in the portal.
  webhook = var.notify == null ? {} : {
    BACVAULT_NOTIFY_URL    = "@Microsoft.KeyVault(SecretUri=${var.notify.webhook_secret_id})"
    BACVAULT_NOTIFY_FORMAT = var.notify.format
  }

  # Both apps. The image sets the script root and BACVAULT_WORK_DIR itself.
  common = merge({
    SQL_SERVER_NAME                = var.sql_server_name
    SQL_DATABASE_NAME              = var.sql_database_name
    STORAGE_ACCOUNT_NAME           = var.vault.account_name
    STORAGE_CONTAINER_NAME         = var.vault.container_name
    BACVAULT_VAULT_SUBSCRIPTION_ID = var.vault.subscription_id
    BACVAULT_VAULT_RESOURCE_GROUP  = var.vault.resource_group_name
    # Whoever shortens an unlocked policy stops the backups instead of weakening them.
    BACVAULT_MIN_RETENTION_DAYS = tostring(var.vault.retention_days)
    # Leases keep backup and restore apart, so both look into the same container.
    BACVAULT_STATE_ACCOUNT   = azurerm_storage_account.host["backup"].name
    BACVAULT_STATE_CONTAINER = azurerm_storage_container.state.name

    ServiceBusConnection__fullyQualifiedNamespace = var.service_bus_fqdn
    ServiceBusConnection__credential              = "managedidentity"
    AzureWebJobsStorage__credential               = "managedidentity"

    # The image says so too, but a setting that a tool left there would go before it.
    FUNCTIONS_WORKER_RUNTIME            = "custom"
    WEBSITES_PORT                       = "8080"
    WEBSITES_ENABLE_APP_SERVICE_STORAGE = "false" # /home stays the image's own: the script root lies there
    WEBSITES_CONTAINER_START_TIME_LIMIT = tostring(var.start_time_limit_seconds)
    WEBSITES_CONTAINER_STOP_TIME_LIMIT  = "30" # the host itself gives a run about 10 seconds
    # On SIGTERM no new message is taken, and what runs is not cancelled at once.
    FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING = "true"
  }, local.waiver)

  own = { for app, a in local.apps : app => {
    MANAGED_IDENTITY_CLIENT_ID                = a.identity.client_id
    AzureWebJobsStorage__clientId             = a.identity.client_id
    ServiceBusConnection__clientId            = a.identity.client_id
    AzureFunctionsWebHost__hostid             = "func-${var.name}-${app}" # timers' leases and status go by it; 32 characters at most
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING = "Authorization=AAD;ClientId=${a.identity.client_id}"
  } }

  # Each function runs in one app and is disabled in the other. Names are letters, digits and underscores: on Linux an app setting
  # takes no hyphen, so a function with one in its name could not be disabled
  # (https://learn.microsoft.com/azure/azure-functions/disable-function).
  disabled = { for app in keys(local.apps) : app => {
    for f, v in local.functions : "AzureWebJobs_${f}_Disabled" => tostring(v.app != app || (try(v.needs, "") == "webhook" && var.notify == null))
  } }
  # A timer's schedule stands where the timer runs: the other app's host has nothing to fire, even if the switch were lost.
  timers = { for app in keys(local.apps) : app => {
    for f, v in local.functions : v.schedule => local.schedules[v.schedule] if v.app == app && can(v.schedule)
  } }

  app_settings = { for app, a in local.apps : app => merge(
    var.settings, a.settings,
    local.common, local.own[app], local.disabled[app], local.timers[app],
    app == "backup" ? local.webhook : {},
  ) }
}
