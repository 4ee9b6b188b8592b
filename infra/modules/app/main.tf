# Two Function apps from one image on a Dedicated plan with Always On and a fixed number of instances: nothing scales away a run.
locals {
  apps = {
    backup  = { identity = var.backup_identity, settings = var.backup_settings, public = var.status_page.public, allowed_ips = var.status_page.allowed_ips, sign_in = var.status_page.sign_in }
    restore = { identity = var.restore_identity, settings = var.restore_settings, public = false, allowed_ips = [], sign_in = null }
  }
  plans = var.separate_plans ? { backup = "backup", restore = "restore" } : { backup = "apps", restore = "apps" }

  # The platform takes name@sha256:… where the provider asks for name and tag.
  image_name = var.image.digest == null ? var.image.name : "${var.image.name}@sha256"
  image_tag  = var.image.digest == null ? var.image.tag : trimprefix(var.image.digest, "sha256:")
}

resource "azurerm_service_plan" "plan" {
  for_each                        = toset(values(local.plans))
  name                            = "asp-bacvault-${var.name}-${each.key}"
  resource_group_name             = var.resource_group_name
  location                        = var.location
  os_type                         = "Linux"
  sku_name                        = var.sku
  worker_count                    = var.instances
  premium_plan_auto_scale_enabled = false
  per_site_scaling_enabled        = false
  tags                            = var.tags
}

resource "azurerm_linux_function_app" "app" {
  for_each            = local.apps
  name                = "func-${var.name}-${each.key}"
  resource_group_name = var.resource_group_name
  location            = var.location
  service_plan_id     = azurerm_service_plan.plan[local.plans[each.key]].id
  tags                = var.tags

  storage_account_name          = azurerm_storage_account.host[each.key].name
  storage_uses_managed_identity = true
  content_share_force_disabled  = true  # a share is mounted by key only, and the code is in the image
  builtin_logging_enabled       = false # runtime 1.x only

  https_only                                     = true
  public_network_access_enabled                  = each.value.public
  ftp_publish_basic_authentication_enabled       = false
  webdeploy_publish_basic_authentication_enabled = false
  virtual_network_subnet_id                      = var.subnet_id
  vnet_image_pull_enabled                        = var.subnet_id != null && var.pull_image_over_subnet
  key_vault_reference_identity_id                = each.value.identity.id

  app_settings = local.app_settings[each.key]

  identity {
    type         = "UserAssigned"
    identity_ids = [each.value.identity.id]
  }

  site_config {
    always_on                = true # else the platform unloads the app when nobody calls it, and no timer fires
    ftps_state               = "Disabled"
    http2_enabled            = true
    minimum_tls_version      = "1.2"
    scm_minimum_tls_version  = "1.2"
    remote_debugging_enabled = false
    vnet_route_all_enabled   = var.subnet_id != null
    # No health_check_path: it would restart an instance in the middle of a backup. The watch and the alerts look instead.

    container_registry_use_managed_identity       = var.image.pull_with_identity
    container_registry_managed_identity_client_id = var.image.pull_with_identity ? each.value.identity.client_id : null
    application_insights_connection_string        = var.application_insights_settings == null ? null : var.application_insights_settings.connection_string

    application_stack {
      docker {
        registry_url = "https://${var.image.registry}"
        image_name   = local.image_name
        image_tag    = local.image_tag
      }
    }

    ip_restriction_default_action     = length(each.value.allowed_ips) > 0 ? "Deny" : "Allow"
    scm_ip_restriction_default_action = "Deny" # nothing is deployed there
    scm_use_main_ip_restriction       = false
    dynamic "ip_restriction" {
      for_each = each.value.allowed_ips
      content {
        name       = "allowed-${ip_restriction.key}"
        action     = "Allow"
        ip_address = ip_restriction.value
        priority   = 100 + ip_restriction.key
      }
    }
  }

  # A share for the work folder is mounted by key (infra/README.md, Hosting): by hand, so that the key stays out of the state.
  lifecycle {
    ignore_changes = [storage_account]
  }

  dynamic "auth_settings_v2" {
    for_each = each.value.sign_in == null ? [] : [each.value.sign_in]
    content {
      auth_enabled           = true
      require_authentication = true
      require_https          = true
      unauthenticated_action = "RedirectToLoginPage"
      default_provider       = "azureactivedirectory"
      excluded_paths         = ["/api/status/metrics"] # Prometheus can't sign in; the function's key is still asked for
      active_directory_v2 {
        client_id            = auth_settings_v2.value.client_id
        tenant_auth_endpoint = "https://login.microsoftonline.com/${auth_settings_v2.value.tenant_id}/v2.0/"
      }
      login {
        token_store_enabled = false
      }
    }
  }
}

resource "azurerm_monitor_diagnostic_setting" "app" {
  for_each                   = azurerm_linux_function_app.app
  name                       = "bacvault"
  target_resource_id         = each.value.id
  log_analytics_workspace_id = var.log_analytics_workspace_id
  enabled_log {
    category = "FunctionAppLogs"
  }
  enabled_metric {
    category = "AllMetrics"
  }
}
