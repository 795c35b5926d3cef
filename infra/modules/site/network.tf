# The site's own network. It has no way to another site: no peering, no shared router, and deny-all rules below these.
locals {
  networks = local.has_vm || var.site.vpn != null ? 1 : 0 # an on-premises machine needs it only to reach the hub
  ports    = { windows = ["3389"], linux = ["22"] }
}

module "network" {
  source = "../network"
  count  = local.networks

  project = var.estate.network.id
  name    = "site-${var.name}"
  region  = var.estate.region
  subnets = { machine = { cidr = var.site.cidr } }
}

# Operators come in through Identity-Aware Proxy alone: remote desktop or shell, and the site's pages.
resource "google_compute_firewall" "operators" {
  count = local.has_vm ? 1 : 0

  project                 = var.estate.network.id
  network                 = module.network[0].network
  name                    = "site-${var.name}-allow-iap"
  direction               = "INGRESS"
  priority                = 1000
  source_ranges           = ["35.235.240.0/20"]
  target_service_accounts = [google_service_account.site.email]

  allow {
    protocol = "tcp"
    ports    = concat(local.ports[var.site.system], ["8443"])
  }
  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

resource "google_compute_address" "hub" {
  count = local.networks

  project      = var.estate.network.id
  region       = var.estate.region
  name         = "site-${var.name}-hub"
  address_type = "INTERNAL"
  subnetwork   = module.network[0].subnets["machine"]
  address      = cidrhost(var.site.cidr, 5)
}

# The hub, published into this network at one address: the site sees that address and nothing else of the hub's network.
resource "google_compute_forwarding_rule" "hub" {
  count = local.networks

  project                 = var.estate.network.id
  region                  = var.estate.region
  network                 = module.network[0].network
  name                    = "site-${var.name}-hub"
  ip_address              = google_compute_address.hub[0].id
  load_balancing_scheme   = ""
  target                  = var.hub.attachment
  allow_psc_global_access = false
}

resource "google_compute_firewall" "hub" {
  count = local.has_vm ? 1 : 0

  project                 = var.estate.network.id
  network                 = module.network[0].network
  name                    = "site-${var.name}-allow-hub"
  direction               = "EGRESS"
  priority                = 1000
  destination_ranges      = ["${cidrhost(var.site.cidr, 5)}/32"]
  target_service_accounts = [google_service_account.site.email]

  allow {
    protocol = "tcp"
    ports    = ["443"]
  }
  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

resource "google_dns_managed_zone" "hub" {
  count = local.networks

  project     = var.estate.network.id
  name        = "site-${var.name}-hub"
  dns_name    = "${var.hub.name}."
  description = "Where ${var.name} finds the hub."
  visibility  = "private"

  private_visibility_config {
    networks {
      network_url = module.network[0].network
    }
  }
}

resource "google_dns_record_set" "hub" {
  count = local.networks

  project      = var.estate.network.id
  managed_zone = google_dns_managed_zone.hub[0].name
  name         = google_dns_managed_zone.hub[0].dns_name
  type         = "A"
  ttl          = 300
  rrdatas      = [google_compute_address.hub[0].address]
}

# Windows is licensed by a server of Google's that has no other name or address.
resource "google_compute_route" "licence" {
  count = local.has_vm && var.site.system == "windows" ? 1 : 0

  project          = var.estate.network.id
  network          = module.network[0].network
  name             = "site-${var.name}-licence"
  dest_range       = "35.190.247.13/32"
  next_hop_gateway = "default-internet-gateway"
}

resource "google_compute_firewall" "licence" {
  count = local.has_vm && var.site.system == "windows" ? 1 : 0

  project                 = var.estate.network.id
  network                 = module.network[0].network
  name                    = "site-${var.name}-allow-licence"
  direction               = "EGRESS"
  priority                = 1000
  destination_ranges      = ["35.190.247.13/32"]
  target_service_accounts = [google_service_account.site.email]

  allow {
    protocol = "tcp"
    ports    = ["1688"]
  }
  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}
