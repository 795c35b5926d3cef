output "hub" {
  description = "How sites reach it. Ready when its machines may use what they need."
  value = {
    name       = var.hub.name
    attachment = google_compute_service_attachment.hub.id
    bucket     = google_storage_bucket.bundles.name # where a site's enrolment is written
  }
  depends_on = [
    google_project_iam_member.identity,
    google_secret_manager_secret_iam_member.hub,
    google_storage_bucket_iam_member.bundles,
  ]
}

output "certificate_record" {
  description = "DNS record by which Google believes that the name is ours; set it once."
  value       = google_certificate_manager_dns_authorization.hub.dns_resource_record
}
