# What hub, worker and migration may do. No one of them has a role at a site: the grant that comes with a request is all.
locals {
  migrates = var.hub.migration_until != null
  project_roles = {
    hub    = ["roles/cloudsql.client", "roles/cloudsql.instanceUser", "roles/logging.logWriter", "roles/monitoring.metricWriter"]
    worker = ["roles/cloudsql.client", "roles/cloudsql.instanceUser", "roles/logging.logWriter", "roles/monitoring.metricWriter"]
  }
  project_grants = merge([
    for who, roles in local.project_roles : { for role in roles : "${who}/${role}" => { who = who, role = role } }
  ]...)
}

resource "google_project_iam_member" "identity" {
  for_each = local.project_grants

  project = var.estate.hub.id
  role    = each.value.role
  member  = var.identities[each.value.who].member
}

# Changes tables, so it exists only while a release is brought in.
resource "google_project_iam_member" "migration" {
  for_each = toset(local.migrates ? ["roles/cloudsql.client", "roles/cloudsql.instanceUser", "roles/logging.logWriter"] : [])

  project = var.estate.hub.id
  role    = each.value
  member  = var.identities["migration"].member

  condition {
    title      = "until-the-end-date"
    expression = "request.time < timestamp(\"${var.hub.migration_until}\")"
  }
}

resource "google_storage_bucket" "bundles" {
  project                     = var.estate.hub.id
  name                        = "${var.estate.prefix}-hub-bundles"
  location                    = var.estate.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false
  deletion_policy             = var.protected ? "PREVENT" : "DELETE"
  labels                      = var.labels

  encryption {
    default_kms_key_name = var.key
  }
  versioning {
    enabled = true
  }
}

resource "google_storage_bucket_iam_member" "bundles" {
  for_each = { hub = "roles/storage.objectUser", worker = "roles/storage.objectViewer" }

  bucket = google_storage_bucket.bundles.name
  role   = each.value
  member = var.identities[each.key].member
}

resource "google_storage_bucket_iam_member" "software" {
  for_each = toset(concat(["hub", "worker"], local.migrates ? ["migration"] : []))

  bucket = var.software.bucket
  role   = "roles/storage.objectViewer"
  member = var.identities[each.value].member

  dynamic "condition" {
    for_each = each.value == "migration" ? [var.hub.migration_until] : []
    content {
      title      = "until-the-end-date"
      expression = "request.time < timestamp(\"${condition.value}\")"
    }
  }
}

resource "google_secret_manager_secret" "hub" {
  for_each = toset(["operator-token", "page-key"])

  project             = var.estate.hub.id
  secret_id           = "hub-${each.value}"
  deletion_protection = var.protected
  labels              = var.labels

  replication {
    user_managed {
      replicas {
        location = var.estate.region
        customer_managed_encryption {
          kms_key_name = var.key
        }
      }
    }
  }
}

resource "google_secret_manager_secret_iam_member" "hub" {
  for_each = { for pair in setproduct(["operator-token", "page-key"], ["roles/secretmanager.secretAccessor", "roles/secretmanager.secretVersionAdder"]) :
    "${pair[0]}/${pair[1]}" => { secret = pair[0], role = pair[1] }
  }

  project   = var.estate.hub.id
  secret_id = google_secret_manager_secret.hub[each.value.secret].secret_id
  role      = each.value.role
  member    = var.identities["hub"].member
}

# Google's own identity that makes the group's machines must be let into the shared subnet.
resource "google_compute_subnetwork_iam_member" "groups" {
  project    = var.estate.network.id
  region     = var.estate.region
  subnetwork = var.estate.subnets["hub"]
  role       = "roles/compute.networkUser"
  member     = "serviceAccount:${var.estate.hub.number}@cloudservices.gserviceaccount.com"
}
