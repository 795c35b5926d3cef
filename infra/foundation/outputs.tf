output "estate" {
  description = "What the platform needs to know; `aegle apply` hands it over."
  value = {
    folder   = google_folder.aegle.name
    projects = { for short, name in { hub = "hub-prod", sites = "sites-prod", net = "net", logs = "logs", monitoring = "monitoring" } : short => module.project[name].project }
  }
  depends_on = [google_compute_shared_vpc_service_project.lent, google_folder_iam_member.deploy]
}

output "deploy" {
  description = "What the pipeline is told: the identity it becomes, and where it shows its token."
  value = {
    identity = google_service_account.deploy.email
    provider = google_iam_workload_identity_pool_provider.deploy.name
  }
  depends_on = [google_service_account_iam_member.deploy]
}
