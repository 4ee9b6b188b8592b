terraform {
  required_version = ">= 1.9"
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 5.2"
      # azurerm: the apps' subscription. azurerm.vault: the vault's, which other people own.
      configuration_aliases = [azurerm, azurerm.vault]
    }
  }
}
