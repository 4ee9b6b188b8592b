//go:build infra

package infra_test

type fault struct {
	name     string
	file     string // where it is planted
	old, new string // old is a pattern that stands there once
	where    string // the configuration that is checked
	step     string // validate or test
	says     string // what the refusal says, on one line
}

var faults = []fault{
	{
		name: "misspelt argument", file: "modules/bus/main.tf", old: `max_delivery_count( +)= each\.value\.max_delivery_count\n  requires`, new: "max_delivery_cnt = 5\n  requires",
		where: "modules/bus", step: "validate", says: `An argument named "max_delivery_cnt" is not expected here`,
	},
	{
		name: "wrong type", file: "modules/vault/main.tf", old: `immutability_period_in_days( +)= var\.retention_days`, new: `immutability_period_in_days = "thirty"`,
		where: "modules/vault", step: "validate", says: `Incorrect attribute value type|a number is required`,
	},
	{
		name: "attribute that does not exist", file: "modules/identities/outputs.tf", old: `principal_id = azurerm_user_assigned_identity\.app\["backup"\]\.principal_id`, new: `principal_id = azurerm_user_assigned_identity.app["backup"].princ_id`,
		where: "examples/one-database", step: "validate", says: `Unsupported attribute|no argument, nested block, or exported attribute named "princ_id"`,
	},
	{
		name: "value that azurerm does not know", file: "modules/bus/main.tf", old: `sku( +)= var\.sku\n`, new: "sku = \"Gold\"\n",
		where: "modules/bus", step: "validate", says: `expected sku to be one of`,
	},
	{
		name: "unlocked policy in production", file: "examples/one-database/main.tf", old: `  unlocked_until( +)= var\.unlocked_until\n`, new: "",
		where: "examples/one-database", step: "test", says: `in production the policy must be locked`,
	},
	{
		name: "policy that is never locked", file: "modules/vault/main.tf", old: `locked( +)= var\.policy_locked`, new: "locked = false",
		where: "modules/vault", step: "test", says: `the container's policy is locked, for the days asked for`,
	},
	{
		name: "role with delete", file: "modules/identities/roles.json",
		old: `"Microsoft\.Storage/storageAccounts/blobServices/containers/blobs/add/action"`, new: `"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action", "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete"`,
		where: "modules/identities", step: "test", says: `no role on the vault may hold a wildcard, a delete`,
	},
	{
		name: "role that writes the policy", file: "modules/identities/roles.json",
		old: `"Microsoft\.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/read"\n +\],\n +"data_actions": \[\n +"[^"]+",\n +"[^"]+blobs/write"`, new: `"Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies/write"], "data_actions": ["x"`,
		where: "modules/identities", step: "test", says: `no role on the vault may hold .* what writes, shortens or removes its policy`,
	},
	{
		name: "shared keys", file: "modules/vault/main.tf", old: `shared_access_key_enabled( +)= false`, new: "shared_access_key_enabled = true",
		where: "modules/vault", step: "test", says: `no key, no local user, no public blob`,
	},
	{
		name: "lock beyond five minutes", file: "modules/bus/entities.json", old: `"backup-requests": \{\n +"lock_duration": "PT5M"`, new: `"backup-requests": {"lock_duration": "PT10M"`,
		where: "modules/bus", step: "test", says: `lock 5 minutes, 5 deliveries, duplicates within 10 minutes`,
	},
	{
		name: "no duplicate detection", file: "modules/bus/main.tf", old: `max_delivery_count( +)= each\.value\.max_delivery_count\n  requires_duplicate_detection( +)= true`, new: "max_delivery_count = each.value.max_delivery_count\n  requires_duplicate_detection = false",
		where: "modules/bus", step: "test", says: `lock 5 minutes, 5 deliveries, duplicates within 10 minutes`,
	},
}
