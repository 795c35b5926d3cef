locals {
  startup = "${path.module}/../../startup"
  # hub.sh finds that common.sh has run before it.
  script = join("\n", ["#!/bin/bash", file("${local.startup}/common.sh"), file("${local.startup}/hub.sh")])
  facts = {
    release  = var.hub.release
    secrets  = "projects/${var.estate.hub.id}/secrets/hub-"
    mirror   = var.software.bucket
    software = var.software.installers
  }
  users = { for who, identity in var.identities : who => trimsuffix(identity.email, ".gserviceaccount.com") }
  # Each machine's own aegle.yaml (JSON is YAML). The balancer alone reaches port 8080; the console stays on the machine.
  config = { for who in ["hub", "worker", "migration"] : who => jsonencode({ hub = {
    port          = 8080
    pages_port    = 8081
    bind          = who == "hub" ? "0.0.0.0" : "127.0.0.1"
    plain_network = true
    audience      = "https://${var.hub.name}"
    cloud = {
      project = var.estate.hub.id
      region  = var.estate.region
      bucket  = google_storage_bucket.bundles.name
      dataset = var.hub.dataset
      bundle  = var.hub.bundle
      database = merge(
        { instance = join(":", [var.estate.hub.id, var.estate.region, google_sql_database_instance.hub.name]), user = local.users[who], name = google_sql_database.hub.name },
        who == "migration" ? { hub = local.users["hub"], worker = local.users["worker"] } : {},
      )
    }
  } }) }
  pools = {
    hub    = { machine = var.hub.machine, gpu = null, unit = "aegle-hub.service", min = 1, max = var.hub.machines_max }
    worker = { machine = var.hub.worker, gpu = var.hub.gpu, unit = "aegle-worker.service", min = var.hub.workers_min, max = var.hub.workers_max }
  }
  metadata = { for who, config in local.config : who => merge({
    enable-oslogin         = "TRUE"
    enable-osconfig        = "TRUE"
    serial-port-enable     = "FALSE"
    block-project-ssh-keys = "TRUE"
    aegle-facts            = jsonencode(merge(local.facts, { role = who, config = config }))
    startup-script         = local.script
  }, who == "migration" ? {} : { aegle-service = file("${local.startup}/${local.pools[who].unit}") }) }
}

resource "google_compute_region_instance_template" "pool" {
  for_each = local.pools

  project = var.estate.hub.id
  region  = var.estate.region
  # A template cannot change, so its name follows what is in it; the old one goes when the group has left it.
  name = "${each.key}-${substr(sha256(jsonencode([
    each.value.machine, each.value.gpu, local.metadata[each.key],
  ])), 0, 12)}"
  machine_type   = each.value.machine
  can_ip_forward = false
  labels         = merge(var.labels, { aegle_role = each.key })
  metadata       = local.metadata[each.key]

  disk {
    boot         = true
    auto_delete  = true
    source_image = "projects/debian-cloud/global/images/family/debian-12"
    disk_size_gb = 100
    disk_type    = "pd-balanced"
    disk_encryption_key {
      kms_key_self_link = var.key
    }
  }
  network_interface {
    subnetwork = var.estate.subnets["hub"]
  }
  service_account {
    email  = var.identities[each.key].email
    scopes = ["cloud-platform"]
  }
  shielded_instance_config {
    enable_secure_boot          = true
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }
  scheduling {
    automatic_restart   = true
    on_host_maintenance = each.value.gpu == null ? "MIGRATE" : "TERMINATE"
  }
  dynamic "guest_accelerator" {
    for_each = each.value.gpu == null ? [] : [each.value.gpu]
    content {
      type  = guest_accelerator.value
      count = 1
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

# Brings the tables up to date for a release, as the one identity that owns them, and turns itself off. Hub and workers wait.
# Another release, or another model, is another machine; without an end date there is none.
resource "google_compute_instance" "migration" {
  count = local.migrates ? 1 : 0

  project             = var.estate.hub.id
  zone                = var.estate.zone
  name                = "migration-${substr(sha256(jsonencode([local.metadata["migration"], var.hub.migration_until])), 0, 12)}"
  machine_type        = "e2-small"
  labels              = merge(var.labels, { aegle_role = "migration" })
  metadata            = local.metadata["migration"]
  deletion_protection = false
  can_ip_forward      = false

  boot_disk {
    auto_delete       = true
    kms_key_self_link = var.key
    initialize_params {
      image = "projects/debian-cloud/global/images/family/debian-12"
      size  = 20
      type  = "pd-balanced"
    }
  }
  network_interface {
    subnetwork = var.estate.subnets["hub"]
  }
  service_account {
    email  = var.identities["migration"].email
    scopes = ["cloud-platform"]
  }
  shielded_instance_config {
    enable_secure_boot          = true
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }

  lifecycle {
    create_before_destroy = true
  }
  depends_on = [google_project_iam_member.migration, google_storage_bucket_iam_member.software, google_sql_user.identity]
}

resource "google_compute_region_health_check" "hub" {
  project             = var.estate.hub.id
  region              = var.estate.region
  name                = "hub"
  check_interval_sec  = 10
  timeout_sec         = 5
  unhealthy_threshold = 3

  http_health_check {
    port         = 8080
    request_path = "/healthz"
  }
}

resource "google_compute_region_instance_group_manager" "pool" {
  for_each = local.pools

  project            = var.estate.hub.id
  region             = var.estate.region
  name               = each.key
  base_instance_name = each.key

  version {
    instance_template = google_compute_region_instance_template.pool[each.key].id
  }
  update_policy {
    type                  = "PROACTIVE"
    minimal_action        = "REPLACE"
    max_surge_fixed       = 3
    max_unavailable_fixed = 0
  }
  dynamic "named_port" {
    for_each = each.key == "hub" ? [8080] : []
    content {
      name = "http"
      port = named_port.value
    }
  }
  dynamic "auto_healing_policies" {
    for_each = each.key == "hub" ? [google_compute_region_health_check.hub.id] : []
    content {
      health_check      = auto_healing_policies.value
      initial_delay_sec = 600
    }
  }
  depends_on = [
    google_compute_subnetwork_iam_member.groups, google_project_iam_member.identity,
    google_storage_bucket_iam_member.software, google_sql_user.identity,
  ]
}

resource "google_compute_region_autoscaler" "pool" {
  for_each = local.pools

  project = var.estate.hub.id
  region  = var.estate.region
  name    = each.key
  target  = google_compute_region_instance_group_manager.pool[each.key].id

  autoscaling_policy {
    min_replicas    = each.value.min
    max_replicas    = each.value.max
    cooldown_period = 300
    mode            = "ON"

    dynamic "cpu_utilization" {
      for_each = each.key == "hub" ? [0.6] : []
      content {
        target = cpu_utilization.value
      }
    }
    dynamic "metric" {
      for_each = each.key == "worker" ? ["custom.googleapis.com/aegle/queue_depth"] : []
      content {
        name                       = metric.value
        filter                     = "resource.type = \"global\""
        single_instance_assignment = var.hub.requests_a_worker
      }
    }
  }
}
