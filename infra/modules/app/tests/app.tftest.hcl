mock_provider "azurerm" {}

variables {
  name                = "test"
  resource_group_name = "rg-test"
  location            = "uksouth"
  image = {
    registry = "acrtest.azurecr.io"
    name     = "bacvault"
    digest   = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  }
  backup_identity = {
    id        = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-test/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-backup"
    client_id = "b0000000-0000-4000-8000-000000000001"
  }
  restore_identity = {
    id        = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-test/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-restore"
    client_id = "b0000000-0000-4000-8000-000000000002"
  }
  sql_server_name   = "sqlsvr-test"
  sql_database_name = "Orders"
  vault = {
    subscription_id     = "00000000-0000-0000-0000-000000000002"
    resource_group_name = "rg-vault"
    account_name        = "stvault"
    container_name      = "sql-backups"
    retention_days      = 365
  }
  service_bus_fqdn           = "sb-test.servicebus.windows.net"
  log_analytics_workspace_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-test/providers/Microsoft.OperationalInsights/workspaces/log-test"
}

override_resource {
  target = azurerm_service_plan.plan
  values = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-test/providers/Microsoft.Web/serverFarms/asp-test" }
}

override_resource {
  target = azurerm_storage_account.host
  values = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-test/providers/Microsoft.Storage/storageAccounts/sttest" }
}

override_resource {
  target = azurerm_linux_function_app.app
  values = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-test/providers/Microsoft.Web/sites/func-test" }
}

run "nothing_scales_away_a_run" {
  command = plan
  assert {
    condition     = alltrue([for p in azurerm_service_plan.plan : p.os_type == "Linux" && p.sku_name == "P1mv3" && p.worker_count == 1 && p.premium_plan_auto_scale_enabled == false])
    error_message = "the plan is not a Dedicated one with a fixed number of instances"
  }
  assert {
    condition     = alltrue([for a in azurerm_linux_function_app.app : a.site_config[0].always_on == true && a.site_config[0].health_check_path == null])
    error_message = "an app is unloaded when idle, or restarted by a health check"
  }
}

run "each_function_runs_in_one_app" {
  command = plan
  assert {
    condition     = alltrue([for f in ["restore", "drill"] : azurerm_linux_function_app.app["backup"].app_settings["AzureWebJobs_${f}_Disabled"] == "true" && azurerm_linux_function_app.app["restore"].app_settings["AzureWebJobs_${f}_Disabled"] == "false"])
    error_message = "restore and drill run in the restore app only"
  }
  assert {
    condition     = alltrue([for f in ["nightly", "backup", "watch", "status"] : azurerm_linux_function_app.app["restore"].app_settings["AzureWebJobs_${f}_Disabled"] == "true" && azurerm_linux_function_app.app["backup"].app_settings["AzureWebJobs_${f}_Disabled"] == "false"])
    error_message = "nightly, backup, watch and status run in the backup app only"
  }
  assert {
    condition     = azurerm_linux_function_app.app["backup"].app_settings["BACKUP_SCHEDULE"] == "0 0 2 * * *" && !contains(keys(azurerm_linux_function_app.app["restore"].app_settings), "BACKUP_SCHEDULE")
    error_message = "the nightly schedule stands in the backup app only"
  }
  assert {
    condition     = azurerm_linux_function_app.app["restore"].app_settings["BACVAULT_DRILL_SCHEDULE"] == "0 0 6 * * 0" && !contains(keys(azurerm_linux_function_app.app["backup"].app_settings), "BACVAULT_DRILL_SCHEDULE")
    error_message = "the drill's schedule stands in the restore app only"
  }
  assert {
    condition     = alltrue([for a in azurerm_linux_function_app.app : a.app_settings["AzureWebJobs_notify_Disabled"] == "true"])
    error_message = "notify without a webhook is disabled"
  }
}

run "names_of_settings_are_what_linux_takes" {
  command = plan
  assert {
    condition     = alltrue(flatten([for a in azurerm_linux_function_app.app : [for k in keys(a.app_settings) : can(regex("^[A-Za-z0-9_]+$", k))]]))
    error_message = "on Linux an app setting's name holds letters, digits and underscores only"
  }
}

run "no_key_anywhere" {
  command = plan
  assert {
    condition     = alltrue([for s in azurerm_storage_account.host : s.shared_access_key_enabled == false && s.default_to_oauth_authentication == true && s.allow_nested_items_to_be_public == false && s.local_user_enabled == false])
    error_message = "a host account takes keys"
  }
  assert {
    condition     = alltrue([for a in azurerm_linux_function_app.app : a.storage_uses_managed_identity == true && a.storage_account_access_key == null && a.builtin_logging_enabled == false && a.content_share_force_disabled == true])
    error_message = "an app reaches its storage by key"
  }
  assert {
    condition     = alltrue(flatten([for a in azurerm_linux_function_app.app : [for k, v in a.app_settings : !can(regex("(?i)(AccountKey|SharedAccessKey|password|sig)=", v)) && !contains(["AzureWebJobsStorage", "ServiceBusConnection"], k)]]))
    error_message = "a setting holds a connection string or a key"
  }
  assert {
    condition     = alltrue([for a in azurerm_linux_function_app.app : a.ftp_publish_basic_authentication_enabled == false && a.webdeploy_publish_basic_authentication_enabled == false && a.site_config[0].ftps_state == "Disabled" && a.site_config[0].container_registry_use_managed_identity == true])
    error_message = "an app can be published to, or pulls its image, with a password"
  }
}

run "each_app_is_its_own_identity_and_account" {
  command = plan
  assert {
    condition = alltrue([for app, a in azurerm_linux_function_app.app : (
      one(a.identity[0].identity_ids) == (app == "backup" ? var.backup_identity.id : var.restore_identity.id) &&
      alltrue([for k in ["MANAGED_IDENTITY_CLIENT_ID", "AzureWebJobsStorage__clientId", "ServiceBusConnection__clientId"] : a.app_settings[k] == (app == "backup" ? var.backup_identity.client_id : var.restore_identity.client_id)])
    )])
    error_message = "an app runs under the other's identity"
  }
  assert {
    condition     = azurerm_linux_function_app.app["backup"].storage_account_name == "stbvtestb" && azurerm_linux_function_app.app["restore"].storage_account_name == "stbvtestr"
    error_message = "the apps share a host account"
  }
  assert {
    condition     = alltrue([for a in azurerm_linux_function_app.app : a.app_settings["BACVAULT_STATE_ACCOUNT"] == "stbvtestb" && a.app_settings["BACVAULT_STATE_CONTAINER"] == "bacvault-state"]) && azurerm_storage_container.state.container_access_type == "private"
    error_message = "both apps must see the same leases"
  }
}

run "only_what_must_be_reached_is" {
  command = plan
  assert {
    condition     = alltrue([for a in azurerm_linux_function_app.app : a.https_only == true && a.public_network_access_enabled == false && a.site_config[0].minimum_tls_version == "1.2" && a.site_config[0].scm_ip_restriction_default_action == "Deny"])
    error_message = "an app is reachable from the internet by default"
  }
}

run "a_locked_vault_leaves_no_waiver" {
  command = plan
  assert {
    condition     = alltrue([for a in azurerm_linux_function_app.app : !contains(keys(a.app_settings), "BACVAULT_ALLOW_UNLOCKED_UNTIL") && a.app_settings["BACVAULT_MIN_RETENTION_DAYS"] == "365"])
    error_message = "a waiver stands although the vault names none"
  }
}

run "an_unlocked_vault_has_a_waiver_with_date_and_reason" {
  command = plan
  variables {
    vault = {
      subscription_id     = "00000000-0000-0000-0000-000000000002"
      resource_group_name = "rg-vault"
      account_name        = "stvault"
      container_name      = "sql-backups"
      retention_days      = 1
      unlocked_until      = "2026-12-31"
    }
  }
  assert {
    condition     = alltrue([for a in azurerm_linux_function_app.app : a.app_settings["BACVAULT_ALLOW_UNLOCKED_UNTIL"] == "2026-12-31" && a.app_settings["BACVAULT_ALLOW_UNLOCKED_REASON"] != ""])
    error_message = "the waiver did not arrive"
  }
}

run "a_webhook_is_a_reference_and_only_the_backup_app_has_it" {
  command = plan
  variables {
    notify = { webhook_secret_id = "https://kv-test.vault.azure.net/secrets/bacvault-webhook", format = "teams" }
  }
  assert {
    condition     = azurerm_linux_function_app.app["backup"].app_settings["BACVAULT_NOTIFY_URL"] == "@Microsoft.KeyVault(SecretUri=https://kv-test.vault.azure.net/secrets/bacvault-webhook)" && azurerm_linux_function_app.app["backup"].app_settings["AzureWebJobs_notify_Disabled"] == "false" && azurerm_linux_function_app.app["backup"].key_vault_reference_identity_id == var.backup_identity.id
    error_message = "the webhook is not a reference read with the app's identity"
  }
  assert {
    condition     = !contains(keys(azurerm_linux_function_app.app["restore"].app_settings), "BACVAULT_NOTIFY_URL") && azurerm_linux_function_app.app["restore"].app_settings["AzureWebJobs_notify_Disabled"] == "true"
    error_message = "the restore app has the webhook"
  }
}

run "the_image_is_named_by_digest_or_tag" {
  command = plan
  assert {
    condition     = azurerm_linux_function_app.app["backup"].site_config[0].application_stack[0].docker[0].image_name == "bacvault@sha256" && azurerm_linux_function_app.app["backup"].site_config[0].application_stack[0].docker[0].image_tag == "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    error_message = "name@sha256:digest does not come out"
  }
}

run "further_settings_reach_their_app" {
  command = plan
  variables {
    settings         = { BACVAULT_LOG_LEVEL = "debug", BACVAULT_ACCESS_TIER = "Cold" }
    restore_settings = { SQL_SERVICE_OBJECTIVE = "S3", BACVAULT_LOG_LEVEL = "info" }
    separate_plans   = true
    instances        = 2
    subnet_id        = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet/subnets/apps"
    status_page      = { public = true, allowed_ips = ["203.0.113.0/24"], sign_in = { tenant_id = "00000000-0000-0000-0000-00000000000a", client_id = "00000000-0000-0000-0000-00000000000b" } }
  }
  assert {
    condition     = azurerm_linux_function_app.app["backup"].app_settings["BACVAULT_LOG_LEVEL"] == "debug" && azurerm_linux_function_app.app["restore"].app_settings["BACVAULT_LOG_LEVEL"] == "info" && !contains(keys(azurerm_linux_function_app.app["backup"].app_settings), "SQL_SERVICE_OBJECTIVE")
    error_message = "settings went to the wrong app"
  }
  assert {
    condition     = length(azurerm_service_plan.plan) == 2 && alltrue([for p in azurerm_service_plan.plan : p.worker_count == 2])
    error_message = "separate_plans makes a plan for each app"
  }
  assert {
    condition     = azurerm_linux_function_app.app["backup"].public_network_access_enabled && azurerm_linux_function_app.app["backup"].site_config[0].ip_restriction_default_action == "Deny" && length(azurerm_linux_function_app.app["backup"].auth_settings_v2) == 1 && !azurerm_linux_function_app.app["restore"].public_network_access_enabled && length(azurerm_linux_function_app.app["restore"].auth_settings_v2) == 0
    error_message = "the status page is open wider than it was asked to be, or the restore app with it"
  }
  assert {
    condition     = alltrue([for a in azurerm_linux_function_app.app : a.vnet_image_pull_enabled && a.site_config[0].vnet_route_all_enabled])
    error_message = "traffic leaves beside the subnet"
  }
}

# The texts stand in files beside this one, so that a test of the repository's root can type them (infra_typed_test.go).
run "what_people_type_is_printed" {
  command = plan
  variables {
    backup_identity = {
      id        = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-test/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-backup"
      client_id = "b0000000-0000-4000-8000-000000000001"
      name      = "id-bacvault-test-backup"
    }
    restore_identity = {
      id        = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-test/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-restore"
      client_id = "b0000000-0000-4000-8000-000000000002"
      name      = "id-bacvault-test-restore"
    }
    sql_server_name   = "sqlsvr-test, sqlsvr-b.database.windows.net"
    sql_database_name = "Orders,sqlsvr-b/Two Words"
    settings          = { BACVAULT_WORK_DIR = "/mnt/work", BACVAULT_RESTORE_SERVER_NAME = "sqlsvr-lab" }
    vault = {
      subscription_id     = "00000000-0000-0000-0000-000000000002"
      resource_group_name = "rg-vault"
      account_name        = "stvault"
      container_name      = "sql-backups"
      retention_days      = 365
      unlocked_until      = "2099-01-01"
    }
    unlocked_reason = "it's new"
    notify          = { webhook_secret_id = "https://kv-test.vault.azure.net/secrets/bacvault-webhook" }
  }
  assert {
    condition     = "${output.cli_environment}\n" == file("./tests/typed/cli_environment.sh")
    error_message = "the environment of a command line is another: ${output.cli_environment}"
  }
  assert {
    condition     = "${output.grants_commands}\n" == file("./tests/typed/grants.sh")
    error_message = "the grants are others: ${output.grants_commands}"
  }
  assert {
    condition     = "${output.doctor_commands.backup}\n" == file("./tests/typed/doctor_backup.sh") && "${output.doctor_commands.restore}\n" == file("./tests/typed/doctor_restore.sh")
    error_message = "the doctor is called in another way: ${output.doctor_commands.backup}\n${output.doctor_commands.restore}"
  }
}

run "wrong_input_is_refused" {
  command = plan
  variables {
    name              = "Test_"
    image             = { registry = "https://acr", name = "bacvault:1", digest = "latest", tag = "v1" }
    sql_server_name   = " "
    sql_database_name = ""
    service_bus_fqdn  = "Endpoint=sb://x/;SharedAccessKey=y"
    backup_schedule   = "0 2 * * *"
    drill_schedule    = "weekly"
    unlocked_reason   = " "
  }
  expect_failures = [var.name, var.image, var.sql_server_name, var.sql_database_name, var.service_bus_fqdn, var.backup_schedule, var.drill_schedule, var.unlocked_reason]
}

run "wrong_hosting_is_refused" {
  command = plan
  variables {
    sku                      = "EP1"
    instances                = 0
    status_page              = { public = true }
    host_account_names       = { backup = "stsame", restore = "stsame" }
    host_account_replication = "GRS"
    start_time_limit_seconds = 3600
    notify                   = { webhook_secret_id = "https://hooks.example/T0/B0/secret" }
  }
  expect_failures = [var.sku, var.instances, var.status_page, var.host_account_names, var.host_account_replication, var.start_time_limit_seconds, var.notify]
}

run "one_identity_for_both_apps_is_refused" {
  command = plan
  variables {
    restore_identity = {
      id        = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-test/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-backup"
      client_id = "b0000000-0000-4000-8000-000000000001"
    }
    vault = {
      subscription_id     = "00000000-0000-0000-0000-000000000002"
      resource_group_name = "rg-vault"
      account_name        = "stvault"
      container_name      = "sql-backups"
      retention_days      = 0
      unlocked_until      = "soon"
    }
  }
  expect_failures = [var.restore_identity, var.vault]
}

run "settings_of_the_module_or_of_nobody_are_refused" {
  command = plan
  variables {
    settings         = { BACVAULT_VAULT_RESSOURCE_GROUP = "x" }
    backup_settings  = { SQL_DATABASE_NAME = "Other" }
    restore_settings = { AzureWebJobsStorage = "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=y" }
  }
  expect_failures = [var.settings, var.backup_settings, var.restore_settings]
}
