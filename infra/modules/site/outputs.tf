output "site" {
  description = "What an operator and the hub need to know. Ready when every grant stands."
  value = {
    identity = google_service_account.site.email
    store    = google_healthcare_dicom_store.archive.id
    bucket   = google_storage_bucket.site.name
    machine  = local.has_vm ? google_compute_instance.site[0].name : null
    vpn      = local.vpn == 0 ? [] : google_compute_ha_vpn_gateway.vpn[0].vpn_interfaces[*].ip_address
    audience = local.premises == 1 ? "//iam.googleapis.com/${google_iam_workload_identity_pool_provider.premises[0].name}" : null
    # on_premises: the aegle.yaml of the hospital's machine (JSON is YAML). Its keys are made there; it adds door and pages.
    config = local.premises == 0 ? null : jsonencode({ sites = { (var.name) = merge(local.settings, {
      kind    = var.site.kind
      cloud   = merge(local.cloud, { keys_here = true })
      archive = { url = local.archive_url }
    }) } })
  }
  depends_on = [
    google_healthcare_dicom_store_iam_member.site,
    google_storage_bucket_iam_member.site,
    google_secret_manager_secret_iam_member.add,
    google_secret_manager_secret_iam_member.read,
  ]
}
