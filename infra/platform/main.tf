# The hub and every site. Run often; the projects it works in come from ../foundation.
locals {
  projects = var.estate.projects
  labels   = { managed_by = "aegle", aegle_site = "hub" }
  agents   = local.projects["hub"].agents
}

resource "google_service_account" "hub" {
  for_each = { hub = "Aegle hub", worker = "Aegle worker", migration = "Aegle migration, for a time" }

  project      = local.projects["hub"].id
  account_id   = "aegle-${each.key}"
  display_name = each.value
}

module "hub_key" {
  source = "../modules/keys"

  project = local.projects["hub"].id
  region  = var.estate.region
  ring    = "hub"
  labels  = local.labels
  keys = {
    data = {
      compute       = local.agents["compute.googleapis.com"]
      secretmanager = local.agents["secretmanager.googleapis.com"]
      sqladmin      = local.agents["sqladmin.googleapis.com"]
      storage       = local.agents["storage.googleapis.com"]
    }
    warehouse = { bigquery = local.agents["bigquery.googleapis.com"] }
  }
}

module "logs_key" {
  source = "../modules/keys"

  project = local.projects["logs"].id
  region  = var.estate.region
  ring    = "logs"
  labels  = local.labels
  keys    = { logs = { logging = local.projects["logs"].agents["logging.googleapis.com"] } }
}

module "logging" {
  source = "../modules/logging"

  project        = local.projects["logs"].id
  folder         = var.estate.folder
  region         = var.estate.region
  key            = module.logs_key.keys["logs"]
  retention_days = var.estate.retention_days
}

module "monitoring" {
  source = "../modules/monitoring"

  project = local.projects["monitoring"].id
  watched = { hub = local.projects["hub"].id, sites = local.projects["sites"].id }
  mail    = var.estate.mail
  labels  = local.labels
}

module "hub_network" {
  source = "../modules/network"

  project = local.projects["net"].id
  name    = "hub"
  region  = var.estate.region
  nat     = true
  subnets = {
    hub        = { cidr = var.estate.ranges.hub }
    proxies    = { cidr = var.estate.ranges.proxies, purpose = "REGIONAL_MANAGED_PROXY" }
    attachment = { cidr = var.estate.ranges.attachment, purpose = "PRIVATE_SERVICE_CONNECT" }
  }
}

module "software" {
  source = "../modules/software"

  project    = local.projects["hub"].id
  region     = var.estate.region
  name       = "${var.estate.prefix}-software"
  key        = module.hub_key.keys["data"]
  labels     = local.labels
  installers = var.installers
}

module "warehouse" {
  source = "../modules/warehouse"

  project   = local.projects["hub"].id
  region    = var.estate.region
  name      = "aegle"
  key       = module.hub_key.keys["warehouse"]
  writer    = google_service_account.hub["hub"].member
  analysts  = var.analysts
  labels    = local.labels
  protected = var.estate.protected
}

module "hub" {
  source = "../modules/hub"

  hub      = var.hub
  key      = module.hub_key.keys["data"]
  software = module.software.mirror
  labels   = local.labels
  identities = { for who, account in google_service_account.hub : who => {
    email = account.email, member = account.member, name = account.name
  } }
  protected = var.estate.protected
  estate = {
    prefix     = var.estate.prefix
    region     = var.estate.region
    zone       = var.estate.zone
    hub        = local.projects["hub"]
    network    = local.projects["net"]
    sites      = local.projects["sites"]
    network_id = module.hub_network.network
    subnets    = module.hub_network.subnets
    database   = var.estate.ranges.database
    proxies    = var.estate.ranges.proxies
  }
}

module "perimeter" {
  source = "../modules/perimeter"
  count  = var.estate.access_policy == null ? 0 : 1

  policy   = var.estate.access_policy
  name     = replace(var.estate.prefix, "-", "_")
  projects = { for name, project in local.projects : name => project.number }
  members  = var.estate.members
  enforced = var.estate.enforced
}

module "site" {
  source   = "../modules/site"
  for_each = var.sites

  name       = each.key
  site       = each.value
  hub        = module.hub.hub
  software   = module.software.mirror
  vpn_secret = lookup(var.vpn_secrets, each.key, null)
  estate = {
    prefix          = var.estate.prefix
    region          = var.estate.region
    zone            = var.estate.zone
    billing_account = var.estate.billing_account
    currency        = var.estate.currency
    sites           = local.projects["sites"]
    network         = local.projects["net"]
    monitoring      = local.projects["monitoring"]
    channels        = module.monitoring.channels
  }
}
