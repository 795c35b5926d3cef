# Folders, projects and what holds for all of them. Run rarely, by somebody with rights over the organisation.
locals {
  labels = { managed_by = "aegle" }
  every  = ["cloudresourcemanager.googleapis.com", "iam.googleapis.com", "logging.googleapis.com", "monitoring.googleapis.com"]
  machines = [
    "compute.googleapis.com", "cloudkms.googleapis.com", "iap.googleapis.com", "osconfig.googleapis.com",
    "secretmanager.googleapis.com", "storage.googleapis.com", "iamcredentials.googleapis.com", "sts.googleapis.com",
  ]
  hub = concat(local.machines, [
    "bigquery.googleapis.com", "certificatemanager.googleapis.com", "sqladmin.googleapis.com", "servicenetworking.googleapis.com",
  ])
  hub_agents = [
    "bigquery.googleapis.com", "compute.googleapis.com", "secretmanager.googleapis.com", "sqladmin.googleapis.com",
    "storage.googleapis.com",
  ]
  projects = {
    hub-prod = { folder = "prod", services = local.hub, agents = local.hub_agents }
    hub-dev  = { folder = "dev", services = local.hub, agents = local.hub_agents }
    sites-prod = {
      folder   = "prod"
      services = concat(local.machines, ["healthcare.googleapis.com", "billingbudgets.googleapis.com"])
      agents = [
        "compute.googleapis.com", "healthcare.googleapis.com", "secretmanager.googleapis.com", "storage.googleapis.com",
      ]
    }
    net = {
      folder   = "common"
      services = ["compute.googleapis.com", "dns.googleapis.com", "servicenetworking.googleapis.com"]
      agents   = []
    }
    logs = {
      folder   = "common"
      services = ["bigquery.googleapis.com", "cloudkms.googleapis.com", "storage.googleapis.com"]
      agents   = ["logging.googleapis.com"]
    }
    monitoring = { folder = "common", services = [], agents = [] }
  }
}

resource "google_folder" "aegle" {
  display_name        = "aegle"
  parent              = var.estate.parent
  deletion_protection = var.estate.protected
}

resource "google_folder" "part" {
  for_each = toset(["common", "dev", "prod"])

  display_name        = each.value
  parent              = google_folder.aegle.name
  deletion_protection = var.estate.protected
}

module "project" {
  source   = "../modules/project"
  for_each = local.projects

  project = {
    id       = "${var.estate.prefix}-${each.key}"
    folder   = google_folder.part[each.value.folder].name
    services = distinct(concat(local.every, each.value.services))
    agents   = each.value.agents
  }
  billing_account = var.estate.billing_account
  labels          = merge(local.labels, { aegle_project = each.key })
  protected       = var.estate.protected

  # A project made before the rules would have had its default network and its default grants.
  depends_on = [google_org_policy_policy.boolean, google_org_policy_policy.list]
}

# Networks are in a project of their own, lent to the others: who runs machines cannot open a network.
resource "google_compute_shared_vpc_host_project" "net" {
  project = module.project["net"].project.id
}

resource "google_compute_shared_vpc_service_project" "lent" {
  for_each = toset(["hub-prod", "sites-prod"])

  host_project    = google_compute_shared_vpc_host_project.net.project
  service_project = module.project[each.value].project.id
}

# Who read what: off by default at Google, on here, for all projects below, whoever reads.
resource "google_folder_iam_audit_config" "data" {
  for_each = toset(["bigquery.googleapis.com", "cloudkms.googleapis.com", "healthcare.googleapis.com", "secretmanager.googleapis.com", "storage.googleapis.com"])

  folder  = google_folder.aegle.name
  service = each.value

  dynamic "audit_log_config" {
    for_each = ["ADMIN_READ", "DATA_READ", "DATA_WRITE"]
    content {
      log_type = audit_log_config.value
    }
  }
}
