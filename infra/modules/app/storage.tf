# The hosts' own accounts: one for each app, because the host's role reaches the whole account. The vault lies elsewhere.
locals {
  short = replace(var.name, "-", "")
  host_account_names = {
    backup  = var.host_account_names == null ? "stbv${local.short}b" : var.host_account_names.backup
    restore = var.host_account_names == null ? "stbv${local.short}r" : var.host_account_names.restore
  }
}

resource "azurerm_storage_account" "host" {
  for_each                         = local.host_account_names
  name                             = each.value
  resource_group_name              = var.resource_group_name
  location                         = var.location
  account_kind                     = "StorageV2"
  account_tier                     = "Standard"
  account_replication_type         = var.host_account_replication
  min_tls_version                  = "TLS1_2"
  https_traffic_only_enabled       = true
  shared_access_key_enabled        = false
  default_to_oauth_authentication  = true
  local_user_enabled               = false
  allow_nested_items_to_be_public  = false
  cross_tenant_replication_enabled = false
  public_network_access_enabled    = var.host_account_public_access
  tags                             = var.tags
}

# Leases, progress and the watch's snapshot, of both apps. Mutable, and all of it can be rebuilt from the vault.
resource "azurerm_storage_container" "state" {
  name                  = "bacvault-state"
  storage_account_id    = azurerm_storage_account.host["backup"].id
  container_access_type = "private"
}
