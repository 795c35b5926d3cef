# One network with nothing open: every packet in or out needs a rule that says so, and Google's APIs are reached at
# restricted.googleapis.com, which serves only what the service perimeter allows.
locals {
  restricted = "199.36.153.4/30"
  domains    = { googleapis = "googleapis.com.", packages = "pkg.dev." }
  plain      = { for name, subnet in var.subnets : name => subnet if subnet.purpose == "PRIVATE" }
}

resource "google_compute_network" "this" {
  project                         = var.project
  name                            = var.name
  auto_create_subnetworks         = false
  delete_default_routes_on_create = true
  routing_mode                    = "REGIONAL"
}

resource "google_compute_subnetwork" "machines" {
  for_each = local.plain

  project                  = var.project
  region                   = var.region
  network                  = google_compute_network.this.id
  name                     = "${var.name}-${each.key}"
  ip_cidr_range            = each.value.cidr
  purpose                  = "PRIVATE"
  private_ip_google_access = true
  stack_type               = "IPV4_ONLY"

  log_config {
    aggregation_interval = "INTERVAL_5_SEC"
    flow_sampling        = 1
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

# Subnets that Google's own proxies use; flow logs do not exist for them.
resource "google_compute_subnetwork" "proxies" {
  for_each = { for name, subnet in var.subnets : name => subnet if subnet.purpose != "PRIVATE" }

  project       = var.project
  region        = var.region
  network       = google_compute_network.this.id
  name          = "${var.name}-${each.key}"
  ip_cidr_range = each.value.cidr
  purpose       = each.value.purpose
  role          = each.value.purpose == "REGIONAL_MANAGED_PROXY" ? "ACTIVE" : null
}

resource "google_compute_firewall" "deny" {
  for_each = toset(["INGRESS", "EGRESS"])

  project            = var.project
  network            = google_compute_network.this.id
  name               = "${var.name}-deny-${lower(each.value)}"
  direction          = each.value
  priority           = 65000
  source_ranges      = each.value == "INGRESS" ? ["0.0.0.0/0"] : null
  destination_ranges = each.value == "EGRESS" ? ["0.0.0.0/0"] : null

  deny {
    protocol = "all"
  }
  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

resource "google_compute_firewall" "google" {
  project            = var.project
  network            = google_compute_network.this.id
  name               = "${var.name}-allow-google"
  direction          = "EGRESS"
  priority           = 1000
  destination_ranges = [local.restricted]

  allow {
    protocol = "tcp"
    ports    = ["443"]
  }
  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

resource "google_compute_route" "google" {
  project          = var.project
  network          = google_compute_network.this.id
  name             = "${var.name}-google"
  dest_range       = local.restricted
  next_hop_gateway = "default-internet-gateway"
}

resource "google_dns_managed_zone" "google" {
  for_each = local.domains

  project     = var.project
  name        = "${var.name}-${each.key}"
  dns_name    = each.value
  description = "Sends ${each.value} to the restricted address."
  visibility  = "private"

  private_visibility_config {
    networks {
      network_url = google_compute_network.this.id
    }
  }
}

resource "google_dns_record_set" "restricted" {
  for_each = local.domains

  project      = var.project
  managed_zone = google_dns_managed_zone.google[each.key].name
  name         = each.key == "googleapis" ? "restricted.${each.value}" : each.value
  type         = "A"
  ttl          = 300
  rrdatas      = [for host in range(4) : cidrhost(local.restricted, host)]
}

resource "google_dns_record_set" "every" {
  for_each = local.domains

  project      = var.project
  managed_zone = google_dns_managed_zone.google[each.key].name
  name         = "*.${each.value}"
  type         = "CNAME"
  ttl          = 300
  rrdatas      = [google_dns_record_set.restricted[each.key].name]
}

resource "google_compute_route" "internet" {
  count = var.nat ? 1 : 0

  project          = var.project
  network          = google_compute_network.this.id
  name             = "${var.name}-internet"
  dest_range       = "0.0.0.0/0"
  next_hop_gateway = "default-internet-gateway"
}

resource "google_compute_router" "nat" {
  count = var.nat ? 1 : 0

  project = var.project
  region  = var.region
  network = google_compute_network.this.id
  name    = "${var.name}-nat"
}

resource "google_compute_router_nat" "nat" {
  count = var.nat ? 1 : 0

  project                            = var.project
  region                             = var.region
  router                             = google_compute_router.nat[0].name
  name                               = "${var.name}-nat"
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "LIST_OF_SUBNETWORKS"

  dynamic "subnetwork" {
    for_each = google_compute_subnetwork.machines
    content {
      name                    = subnetwork.value.id
      source_ip_ranges_to_nat = ["ALL_IP_RANGES"]
    }
  }
  log_config {
    enable = true
    filter = "ALL"
  }
}
