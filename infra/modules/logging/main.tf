# Sink, destination and the grant between them in one place: a sink without its grant loses every entry in silence.
resource "google_logging_project_bucket_config" "this" {
  project          = var.project
  location         = var.region
  bucket_id        = "aegle-audit"
  description      = "Every audit entry of every project; locked."
  retention_days   = var.retention_days
  locked           = true
  enable_analytics = true

  cmek_settings {
    kms_key_name = var.key
  }
}

resource "google_logging_folder_sink" "this" {
  folder           = var.folder
  name             = "aegle-audit"
  destination      = "logging.googleapis.com/${google_logging_project_bucket_config.this.id}"
  include_children = true
  filter           = "logName:\"cloudaudit.googleapis.com\" OR logName:\"logs/aegle\" OR logName:\"vpc_flows\" OR logName:\"firewall\""
}

resource "google_project_iam_member" "sink" {
  project = var.project
  role    = "roles/logging.bucketWriter"
  member  = google_logging_folder_sink.this.writer_identity

  condition {
    title      = "audit-bucket-only"
    expression = "resource.name.endsWith(\"/buckets/aegle-audit\")"
  }
}

resource "google_logging_linked_dataset" "this" {
  link_id     = "aegle_audit"
  bucket      = google_logging_project_bucket_config.this.id
  description = "The log bucket as a read-only BigQuery data set."
}
