output "dataset" {
  description = "Id of the data set. Ready when the hub may write."
  value       = google_bigquery_dataset.rows.dataset_id
  depends_on  = [google_bigquery_dataset_iam_member.writer, google_project_iam_member.ask]
}
