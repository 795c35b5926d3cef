# One hospital or laboratory: an identity, a key, an archive, a bucket, its secrets, a network, a machine. Nothing here is
# shared with another site, so adding a site changes nothing else.
locals {
  project  = var.estate.sites.id
  has_vm   = var.site.gateway == "vm"
  hospital = var.site.kind == "hospital"
  labels   = { aegle_site = var.name, aegle_kind = var.site.kind, managed_by = "aegle" }
  live     = !var.site.frozen
  archive_url = join("/", ["https://healthcare.googleapis.com/v1/projects", local.project, "locations", var.estate.region,
  "datasets/site-${var.name}/dicomStores/archive/dicomWeb"])
  # A live archive cannot be deleted by anyone; freezing the site is the first of two steps.
  deletion = local.live ? "PREVENT" : "DELETE"
  # With on_premises, identity never leaves the building: pseudonym secret, vault and quarantine keys stay there.
  secrets = local.has_vm ? ["grant-key", "jenkins-administrator", "page-key", "pseudonym-secret", "quarantine-key", "vault-key"] : []
}

resource "google_service_account" "site" {
  project      = local.project
  account_id   = "site-${var.name}"
  display_name = "Aegle site ${var.name}"
  disabled     = var.site.frozen
}

# Reads this one archive. The site lends the hub an hour of it with each request; the hub itself has no role here.
resource "google_service_account" "reader" {
  count = local.hospital ? 1 : 0

  project      = local.project
  account_id   = "read-${var.name}"
  display_name = "Reads the archive of ${var.name}"
  disabled     = var.site.frozen
}

module "key" {
  source = "../keys"

  project = local.project
  region  = var.estate.region
  ring    = "site-${var.name}"
  labels  = local.labels
  keys = {
    data = {
      compute       = var.estate.sites.agents["compute.googleapis.com"]
      healthcare    = var.estate.sites.agents["healthcare.googleapis.com"]
      secretmanager = var.estate.sites.agents["secretmanager.googleapis.com"]
      storage       = var.estate.sites.agents["storage.googleapis.com"]
    }
  }
}

resource "google_healthcare_dataset" "archive" {
  project         = local.project
  location        = var.estate.region
  name            = "site-${var.name}"
  time_zone       = "UTC"
  deletion_policy = local.deletion

  encryption_spec {
    kms_key_name = module.key.keys["data"]
  }
}

resource "google_healthcare_dicom_store" "archive" {
  dataset         = google_healthcare_dataset.archive.id
  name            = "archive"
  deletion_policy = local.deletion
  labels          = local.labels
}

resource "google_storage_bucket" "site" {
  project                     = local.project
  name                        = "${var.estate.prefix}-site-${var.name}"
  location                    = var.estate.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false
  deletion_policy             = local.deletion
  labels                      = local.labels

  encryption {
    default_kms_key_name = module.key.keys["data"]
  }
  versioning {
    enabled = true
  }
  soft_delete_policy {
    retention_duration_seconds = 7776000
  }
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 400
    }
  }
}

# How the hub learns of the site: it takes in every file here. A site's identity may not write one.
resource "google_storage_bucket_object" "enrolment" {
  bucket        = var.hub.bucket
  name          = "sites/${var.name}.json"
  content_type  = "application/json"
  storage_class = "STANDARD"
  content = jsonencode(merge({
    kind        = var.site.kind
    account     = google_service_account.site.email
    archive_url = local.archive_url
  }, local.live ? {} : { frozen = true }))
}

# Empty: the site's program writes the first value itself, so that no value is ever in the state.
resource "google_secret_manager_secret" "site" {
  for_each = toset(local.secrets)

  project             = local.project
  secret_id           = "${var.name}-${each.value}"
  deletion_protection = local.live
  labels              = local.labels

  replication {
    user_managed {
      replicas {
        location = var.estate.region
        customer_managed_encryption {
          kms_key_name = module.key.keys["data"]
        }
      }
    }
  }
}
