# The files that machines install. A machine has no way to the internet: what is not here, it cannot have.
resource "google_storage_bucket" "this" {
  project                     = var.project
  name                        = var.name
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false
  labels                      = var.labels

  encryption {
    default_kms_key_name = var.key
  }
  versioning {
    enabled = true
  }
  soft_delete_policy {
    retention_duration_seconds = 2592000
  }
}

resource "google_storage_bucket_object" "installer" {
  for_each = var.installers

  bucket   = google_storage_bucket.this.name
  name     = "${each.key}/${each.value.version}/${each.value.file}"
  source   = each.value.source
  metadata = { sha256 = each.value.sha256 } # another digest, another upload
}
