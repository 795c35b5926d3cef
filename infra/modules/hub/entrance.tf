# How sites reach the hub: a balancer inside, with Google's certificate, published to the sites' networks one address each.
resource "google_compute_firewall" "entrance" {
  project                 = var.estate.network.id
  network                 = var.estate.network_id
  name                    = "hub-allow-entrance"
  direction               = "INGRESS"
  priority                = 1000
  source_ranges           = [var.estate.proxies, "35.191.0.0/16", "130.211.0.0/22"] # proxies; Google's health checks
  target_service_accounts = [var.identities["hub"].email]

  allow {
    protocol = "tcp"
    ports    = ["8080"]
  }
  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

resource "google_compute_firewall" "database" {
  project                 = var.estate.network.id
  network                 = var.estate.network_id
  name                    = "hub-allow-database"
  direction               = "EGRESS"
  priority                = 1000
  destination_ranges      = [var.estate.database]
  target_service_accounts = [for identity in var.identities : identity.email]

  allow {
    protocol = "tcp"
    ports    = ["3307", "5432"]
  }
  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

resource "google_certificate_manager_dns_authorization" "hub" {
  project  = var.estate.hub.id
  location = var.estate.region
  name     = "hub"
  domain   = var.hub.name
  type     = "PER_PROJECT_RECORD"
  labels   = var.labels
}

resource "google_certificate_manager_certificate" "hub" {
  project  = var.estate.hub.id
  location = var.estate.region
  name     = "hub"
  labels   = var.labels

  managed {
    domains            = [var.hub.name]
    dns_authorizations = [google_certificate_manager_dns_authorization.hub.id]
  }
}

resource "google_compute_region_backend_service" "hub" {
  project               = var.estate.hub.id
  region                = var.estate.region
  name                  = "hub"
  protocol              = "HTTP"
  port_name             = "http"
  load_balancing_scheme = "INTERNAL_MANAGED"
  timeout_sec           = 60
  health_checks         = [google_compute_region_health_check.hub.id]

  backend {
    group           = google_compute_region_instance_group_manager.pool["hub"].instance_group
    balancing_mode  = "UTILIZATION"
    capacity_scaler = 1
  }
  log_config {
    enable      = true
    sample_rate = 1
  }
}

resource "google_compute_region_url_map" "hub" {
  project         = var.estate.hub.id
  region          = var.estate.region
  name            = "hub"
  default_service = google_compute_region_backend_service.hub.id
}

resource "google_compute_region_target_https_proxy" "hub" {
  project                          = var.estate.hub.id
  region                           = var.estate.region
  name                             = "hub"
  url_map                          = google_compute_region_url_map.hub.id
  certificate_manager_certificates = [google_certificate_manager_certificate.hub.id]
}

resource "google_compute_forwarding_rule" "hub" {
  project               = var.estate.hub.id
  region                = var.estate.region
  name                  = "hub"
  network               = var.estate.network_id
  subnetwork            = var.estate.subnets["hub"]
  load_balancing_scheme = "INTERNAL_MANAGED"
  ip_protocol           = "TCP"
  port_range            = "443"
  target                = google_compute_region_target_https_proxy.hub.id
  labels                = var.labels
}

# Accepts by project, so that a site more changes nothing here.
resource "google_compute_service_attachment" "hub" {
  project               = var.estate.hub.id
  region                = var.estate.region
  name                  = "hub"
  target_service        = google_compute_forwarding_rule.hub.id
  connection_preference = "ACCEPT_MANUAL"
  nat_subnets           = [var.estate.subnets["attachment"]]
  enable_proxy_protocol = false

  consumer_accept_lists {
    project_id_or_num = var.estate.network.id
    connection_limit  = 250
  }
}
