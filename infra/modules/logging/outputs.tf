output "bucket" {
  description = "Id of the locked bucket. Ready when the sink may write."
  value       = google_logging_project_bucket_config.this.id
  depends_on  = [google_project_iam_member.sink]
}
