# What people type beside the apps, as text that can be pasted: nobody has to carry names over by hand. No secret stands in it.
locals {
  # What bacvault itself reads of an app's settings. The webhook's reference means something to App Service alone.
  environment = { for app, s in local.app_settings : app => {
    for k, v in s : k => v if try(jsondecode(file("${path.module}/settings.json"))[k], "never") != "never" && !startswith(k, "BACVAULT_NOTIFY_")
  } }

  # Elsewhere, work folder and sqlpackage are those of the machine or of the image.
  quoted = { for app, s in local.environment : app => {
    for k, v in s : k => "'${replace(v, "'", "'\\''")}'" if !contains(["BACVAULT_WORK_DIR", "BACVAULT_SQLPACKAGE"], k)
  } }

  # Whose rights are wanted on which server: both identities where restores stay, else one on each.
  sql_suffix     = lookup(var.settings, "BACVAULT_SQL_DNS_SUFFIX", "database.windows.net")
  restore_server = lookup(merge(var.settings, var.restore_settings), "BACVAULT_RESTORE_SERVER_NAME", "")
  sources        = [for s in split(",", var.sql_server_name) : trimspace(s)]
  sql_names      = { for s in compact(concat(local.sources, [local.restore_server])) : lower(split(".", s)[0]) => strcontains(s, ".") ? s : "${s}.${local.sql_suffix}"... }
  wanted         = [for d in split(",", var.sql_database_name) : trimspace(d)]
  protected = { for short in keys(local.sql_names) : short => [
    for d in local.wanted : "'${split("/", d)[length(split("/", d)) - 1]}'"
    if contains([for s in local.sources : lower(split(".", s)[0])], short) && (!strcontains(d, "/") || lower(split(".", split("/", d)[0])[0]) == short)
  ] }
  restores_to = local.restore_server == "" ? "" : lower(split(".", local.restore_server)[0])

  grants = [for short, names in local.sql_names : join("\n", [
    "for database in ${replace(join(" ", concat(["master"], local.protected[short])), "'*'", "EACH_DATABASE")}; do",
    "  sqlcmd -S ${names[0]} -d \"$database\" --authentication-method ActiveDirectoryAzCli -b -i docs/grants.sql \\",
    join("", [
      "    -v BackupIdentity=${length(local.protected[short]) == 0 ? "none" : coalesce(var.backup_identity.name, "BACKUP_IDENTITY")}",
      " RestoreIdentity=${local.restores_to != "" && local.restores_to != short ? "none" : coalesce(var.restore_identity.name, "RESTORE_IDENTITY")} || break",
    ]),
    "done",
  ])]

  # One run of the doctor in a container of its own, with the app's image, settings and identity.
  image_ref    = var.image.digest == null ? "${var.image.registry}/${var.image.name}:${coalesce(var.image.tag, "latest")}" : "${var.image.registry}/${var.image.name}@${var.image.digest}"
  doctor_place = { for app, a in local.apps : app => "--subscription ${split("/", a.identity.id)[2]} --resource-group ${var.resource_group_name} --name bacvault-doctor-${app}" }
  doctor = { for app, a in local.apps : app => "${join(" \\\n  ", concat(
    [
      "az container create ${local.doctor_place[app]} --location ${var.location}",
      "--image ${local.image_ref} --os-type Linux --cpu 1 --memory 2 --restart-policy Never",
      "--assign-identity ${a.identity.id}",
    ],
    var.image.pull_with_identity ? ["--acr-identity ${a.identity.id}"] : [],
    [
      "--command-line 'bacvault doctor --as ${app} --output text'",
      "--environment-variables AZURE_TOKEN_CREDENTIALS=ManagedIdentityCredential AZURE_CLIENT_ID=${a.identity.client_id}",
    ],
    [for k, q in local.quoted[app] : "  ${k}=${q}"],
    ))}\n${join("\n", [
    "az container logs --follow ${local.doctor_place[app]}",
    "az container show ${local.doctor_place[app]} --query 'containers[0].instanceView.currentState.exitCode'",
    "az container delete ${local.doctor_place[app]} --yes",
  ])}" }
}
