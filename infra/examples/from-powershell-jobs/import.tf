# Takes the policy into the state at the first apply; it can stay. Take it out of the old Terraform's state first (README.md).
import {
  for_each = var.import_policy ? toset(["default"]) : toset([])
  provider = azurerm.vault
  to       = azurerm_storage_container_immutability_policy.vault
  id       = "${local.vault_container_id}/immutabilityPolicies/${each.key}"
}
