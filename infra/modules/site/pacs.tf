# The hospital through Cloud VPN, only where the block says so. With a machine here: DIMSE in from the PACS's range to the
# door (C-STORE, and STOW and C-FIND where the block has them), and out to its port; without it, studies come in by the pages. With a machine at the hospital: its way to the hub.
locals {
  pacs    = local.has_vm ? var.site.pacs : null
  vpn     = var.site.vpn == null ? 0 : 1
  tunnels = var.site.vpn == null ? {} : { a = 0, b = 1 }
}

resource "google_compute_firewall" "pacs_in" {
  count = local.pacs == null ? 0 : 1

  project                 = var.estate.network.id
  network                 = module.network[0].network
  name                    = "site-${var.name}-allow-pacs-in"
  direction               = "INGRESS"
  priority                = 1000
  source_ranges           = [local.pacs.cidr]
  target_service_accounts = [google_service_account.site.email]

  allow {
    protocol = "tcp"
    ports    = [for port in compact([var.site.door_port, try(local.settings.query.port, null), try(local.settings.door.stow.port, null)]) : tostring(port)]
  }
  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

resource "google_compute_firewall" "pacs_out" {
  count = local.pacs == null ? 0 : 1

  project                 = var.estate.network.id
  network                 = module.network[0].network
  name                    = "site-${var.name}-allow-pacs-out"
  direction               = "EGRESS"
  priority                = 1000
  destination_ranges      = [local.pacs.cidr]
  target_service_accounts = [google_service_account.site.email]

  allow {
    protocol = "tcp"
    ports    = [tostring(local.pacs.port)]
  }
  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

resource "google_compute_ha_vpn_gateway" "vpn" {
  count = local.vpn

  project = var.estate.network.id
  region  = var.estate.region
  network = module.network[0].network
  name    = "site-${var.name}-vpn"
}

resource "google_compute_external_vpn_gateway" "vpn" {
  count = local.vpn

  project         = var.estate.network.id
  name            = "site-${var.name}-vpn"
  redundancy_type = "SINGLE_IP_INTERNALLY_REDUNDANT"

  interface {
    id         = 0
    ip_address = var.site.vpn.peer
  }
}

resource "google_compute_router" "vpn" {
  count = local.vpn

  project = var.estate.network.id
  region  = var.estate.region
  network = module.network[0].network
  name    = "site-${var.name}-vpn"

  bgp {
    asn               = 64514
    advertise_mode    = "CUSTOM"
    advertised_groups = ["ALL_SUBNETS"]
    advertised_ip_ranges {
      range       = "199.36.153.4/30"
      description = "restricted.googleapis.com"
    }
  }
}

resource "google_compute_vpn_tunnel" "vpn" {
  for_each = local.tunnels

  project                         = var.estate.network.id
  region                          = var.estate.region
  name                            = "site-${var.name}-vpn-${each.key}"
  vpn_gateway                     = google_compute_ha_vpn_gateway.vpn[0].id
  vpn_gateway_interface           = each.value
  peer_external_gateway           = google_compute_external_vpn_gateway.vpn[0].id
  peer_external_gateway_interface = 0
  router                          = google_compute_router.vpn[0].id
  ike_version                     = 2
  shared_secret_wo                = var.vpn_secret
  shared_secret_wo_version        = 1
}

resource "google_compute_router_interface" "vpn" {
  for_each = local.tunnels

  project    = var.estate.network.id
  region     = var.estate.region
  router     = google_compute_router.vpn[0].name
  name       = "site-${var.name}-vpn-${each.key}"
  ip_range   = "169.254.${each.value + 8}.1/30"
  vpn_tunnel = google_compute_vpn_tunnel.vpn[each.key].name
}

resource "google_compute_router_peer" "vpn" {
  for_each = local.tunnels

  project         = var.estate.network.id
  region          = var.estate.region
  router          = google_compute_router.vpn[0].name
  name            = "site-${var.name}-vpn-${each.key}"
  interface       = google_compute_router_interface.vpn[each.key].name
  peer_ip_address = "169.254.${each.value + 8}.2"
  peer_asn        = var.site.vpn.asn
}
