# gateway: on_premises. The hospital's own machine signs in with a certificate of the hospital's authority and becomes the
# site's identity for an hour at a time; there is no key to steal or to forget.
locals {
  premises = var.site.gateway == "on_premises" ? 1 : 0
}

resource "google_iam_workload_identity_pool" "premises" {
  count = local.premises

  project                   = local.project
  workload_identity_pool_id = "site-${var.name}"
  display_name              = "Machine of ${var.name}"
  disabled                  = var.site.frozen
}

resource "google_iam_workload_identity_pool_provider" "premises" {
  count = local.premises

  project                            = local.project
  workload_identity_pool_id          = google_iam_workload_identity_pool.premises[0].workload_identity_pool_id
  workload_identity_pool_provider_id = "certificate"
  attribute_mapping                  = { "google.subject" = "assertion.subject.dn.cn" }
  attribute_condition                = "assertion.subject.dn.cn == \"aegle-${var.name}\""

  x509 {
    trust_store {
      trust_anchors {
        pem_certificate = var.site.ca_pem
      }
    }
  }
}

resource "google_service_account_iam_member" "premises" {
  count = local.premises

  service_account_id = google_service_account.site.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principal://iam.googleapis.com/projects/${var.estate.sites.number}/locations/global/workloadIdentityPools/${google_iam_workload_identity_pool.premises[0].workload_identity_pool_id}/subject/aegle-${var.name}"
}
