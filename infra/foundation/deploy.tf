# Who applies the platform: a pipeline that proves itself with its own token. There is no key of it anywhere.
locals {
  # Each is on the folder, for what ../platform makes; see infra/roles.json.
  deploy_roles = [
    "roles/bigquery.admin",
    "roles/certificatemanager.owner",
    "roles/cloudkms.admin",
    "roles/cloudsql.admin",
    "roles/compute.admin",
    "roles/dns.admin",
    "roles/healthcare.datasetAdmin",
    "roles/healthcare.dicomStoreAdmin",
    "roles/iam.serviceAccountAdmin",
    "roles/iam.serviceAccountUser",
    "roles/iam.workloadIdentityPoolAdmin",
    "roles/iap.admin",
    "roles/logging.configWriter",
    "roles/monitoring.admin",
    "roles/osconfig.patchDeploymentAdmin",
    "roles/secretmanager.admin",
    "roles/servicenetworking.networksAdmin",
    "roles/storage.admin",
  ]
  # Roles on whole projects that the deploy identity may give away. Not one of them opens an archive.
  lendable = [
    "roles/bigquery.jobUser", "roles/cloudsql.client", "roles/cloudsql.instanceUser", "roles/logging.bucketWriter",
    "roles/logging.logWriter", "roles/monitoring.metricWriter",
  ]
}

resource "google_service_account" "deploy" {
  project      = module.project["monitoring"].project.id
  account_id   = "aegle-deploy"
  display_name = "Applies the platform"
}

resource "google_iam_workload_identity_pool" "deploy" {
  project                   = module.project["monitoring"].project.id
  workload_identity_pool_id = "deploy"
  display_name              = "The pipeline"
}

resource "google_iam_workload_identity_pool_provider" "deploy" {
  project                            = module.project["monitoring"].project.id
  workload_identity_pool_id          = google_iam_workload_identity_pool.deploy.workload_identity_pool_id
  workload_identity_pool_provider_id = "pipeline"
  attribute_mapping                  = { "google.subject" = "assertion.sub" }
  attribute_condition                = "assertion.sub == \"${var.deploy.subject}\""

  oidc {
    issuer_uri = var.deploy.issuer
  }
}

resource "google_service_account_iam_member" "deploy" {
  service_account_id = google_service_account.deploy.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principal://iam.googleapis.com/projects/${module.project["monitoring"].project.number}/locations/global/workloadIdentityPools/${google_iam_workload_identity_pool.deploy.workload_identity_pool_id}/subject/${var.deploy.subject}"
}

resource "google_folder_iam_member" "deploy" {
  for_each = toset(local.deploy_roles)

  folder = google_folder.aegle.name
  role   = each.value
  member = google_service_account.deploy.member
}

resource "google_folder_iam_member" "lend" {
  folder = google_folder.aegle.name
  role   = "roles/resourcemanager.projectIamAdmin"
  member = google_service_account.deploy.member

  condition {
    title      = "these-roles-only"
    expression = "api.getAttribute(\"iam.googleapis.com/modifiedGrantsByRole\", []).hasOnly([${join(", ", [for role in local.lendable : "\"${role}\""])}])"
  }
}

resource "google_billing_account_iam_member" "deploy" {
  billing_account_id = var.estate.billing_account
  role               = "roles/billing.costsManager"
  member             = google_service_account.deploy.member
}
