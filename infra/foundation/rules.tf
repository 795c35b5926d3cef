# Organisation policies on Aegle's folder: what nobody below can switch on, whatever their role.
locals {
  enforced = [
    "compute.disableNestedVirtualization",
    "compute.disableSerialPortAccess",
    "compute.requireOsLogin",
    "compute.requireShieldedVm",
    "compute.skipDefaultNetworkCreation",
    "iam.automaticIamGrantsForDefaultServiceAccounts",
    "iam.disableServiceAccountKeyCreation",
    "iam.disableServiceAccountKeyUpload",
    "sql.restrictPublicIp",
    "storage.publicAccessPrevention",
    "storage.uniformBucketLevelAccess",
  ]
  listed = {
    "compute.requireVpcFlowLogs"        = { allow = ["COMPREHENSIVE"], deny = [] }
    "compute.vmExternalIpAccess"        = { allow = [], deny = [] } # nothing allowed: all denied
    "gcp.resourceLocations"             = { allow = ["in:${var.estate.region}-locations"], deny = [] }
    "gcp.restrictNonCmekServices"       = { allow = [], deny = [for service in ["bigquery", "compute", "healthcare", "secretmanager", "sqladmin", "storage"] : "${service}.googleapis.com"] }
    "iam.allowedPolicyMemberDomains"    = { allow = [var.estate.customer], deny = [] }
    "compute.restrictVpcPeering"        = { allow = ["under:${google_folder.aegle.name}"], deny = [] }
    "iam.workloadIdentityPoolProviders" = { allow = [var.deploy.issuer], deny = [] }
  }
}

resource "google_org_policy_policy" "boolean" {
  for_each = toset(local.enforced)

  name   = "${google_folder.aegle.name}/policies/${each.value}"
  parent = google_folder.aegle.name

  spec {
    rules {
      enforce = "TRUE"
    }
  }
}

resource "google_org_policy_policy" "list" {
  for_each = local.listed

  name   = "${google_folder.aegle.name}/policies/${each.key}"
  parent = google_folder.aegle.name

  spec {
    rules {
      deny_all = length(each.value.allow) + length(each.value.deny) == 0 ? "TRUE" : null

      dynamic "values" {
        for_each = length(each.value.allow) + length(each.value.deny) == 0 ? [] : [each.value]
        content {
          allowed_values = length(values.value.allow) == 0 ? null : values.value.allow
          denied_values  = length(values.value.deny) == 0 ? null : values.value.deny
        }
      }
    }
  }
}
