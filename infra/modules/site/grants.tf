# Everything the site's identity may do. Roles are those of infra/roles.json; any other is refused by policy.
resource "google_healthcare_dicom_store_iam_member" "site" {
  dicom_store_id = google_healthcare_dicom_store.archive.id
  role           = "roles/healthcare.dicomEditor"
  member         = google_service_account.site.member
}

resource "google_healthcare_dicom_store_iam_member" "reader" {
  count = local.hospital ? 1 : 0

  dicom_store_id = google_healthcare_dicom_store.archive.id
  role           = "roles/healthcare.dicomViewer"
  member         = google_service_account.reader[0].member
}

resource "google_service_account_iam_member" "lend" {
  count = local.hospital ? 1 : 0

  service_account_id = google_service_account.reader[0].name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = google_service_account.site.member
}

# Adds and reads backups; a stolen machine can neither change nor delete one.
resource "google_storage_bucket_iam_member" "site" {
  for_each = toset(["roles/storage.objectCreator", "roles/storage.objectViewer"])

  bucket = google_storage_bucket.site.name
  role   = each.value
  member = google_service_account.site.member
}

resource "google_storage_bucket_iam_member" "software" {
  bucket = var.software.bucket
  role   = "roles/storage.objectViewer"
  member = google_service_account.site.member
}

resource "google_secret_manager_secret_iam_member" "read" {
  for_each = google_secret_manager_secret.site

  project   = local.project
  secret_id = each.value.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.site.member
}

resource "google_secret_manager_secret_iam_member" "add" {
  for_each = google_secret_manager_secret.site

  project   = local.project
  secret_id = each.value.secret_id
  role      = "roles/secretmanager.secretVersionAdder"
  member    = google_service_account.site.member
}

# A rotated key keeps its older values readable: the program asks which there are.
resource "google_secret_manager_secret_iam_member" "list" {
  for_each = google_secret_manager_secret.site

  project   = local.project
  secret_id = each.value.secret_id
  role      = "roles/secretmanager.viewer"
  member    = google_service_account.site.member
}

resource "google_project_iam_member" "site" {
  for_each = toset(["roles/logging.logWriter", "roles/monitoring.metricWriter"])

  project = local.project
  role    = each.value
  member  = google_service_account.site.member
}
