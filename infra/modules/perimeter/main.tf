locals {
  resources = [for number in values(var.projects) : "projects/${number}"]
  services = [
    "bigquery.googleapis.com",
    "cloudkms.googleapis.com",
    "healthcare.googleapis.com",
    "logging.googleapis.com",
    "pubsub.googleapis.com",
    "secretmanager.googleapis.com",
    "sqladmin.googleapis.com",
    "storage.googleapis.com",
  ]
}

resource "google_access_context_manager_access_level" "operators" {
  parent = "accessPolicies/${var.policy}"
  name   = "accessPolicies/${var.policy}/accessLevels/${var.name}_operators"
  title  = "${var.name}_operators"

  basic {
    conditions {
      members = var.members
    }
  }
}

resource "google_access_context_manager_service_perimeter" "this" {
  parent                    = "accessPolicies/${var.policy}"
  name                      = "accessPolicies/${var.policy}/servicePerimeters/${var.name}"
  title                     = var.name
  perimeter_type            = "PERIMETER_TYPE_REGULAR"
  use_explicit_dry_run_spec = !var.enforced

  dynamic "spec" {
    for_each = var.enforced ? [] : [true]
    content {
      resources           = local.resources
      restricted_services = local.services
      access_levels       = [google_access_context_manager_access_level.operators.name]
      vpc_accessible_services {
        enable_restriction = true
        allowed_services   = ["RESTRICTED-SERVICES"]
      }
    }
  }

  dynamic "status" {
    for_each = var.enforced ? [true] : []
    content {
      resources           = local.resources
      restricted_services = local.services
      access_levels       = [google_access_context_manager_access_level.operators.name]
      vpc_accessible_services {
        enable_restriction = true
        allowed_services   = ["RESTRICTED-SERVICES"]
      }
    }
  }
}
