locals {
  startup = "${path.module}/../../startup"
  # hub.sh finds that common.sh has run before it.
  script = join("\n", ["#!/bin/bash", file("${local.startup}/common.sh"), file("${local.startup}/hub.sh")])
  facts = {
    hub      = var.hub.name
    release  = var.hub.release
    database = google_sql_database_instance.hub.connection_name
    bundles  = google_storage_bucket.bundles.name
    secrets  = "projects/${var.estate.hub.id}/secrets/hub-"
    mirror   = var.software.bucket
    software = var.software.installers
  }
  pools = {
    hub    = { machine = var.hub.machine, gpu = null, unit = "aegle-hub.service", min = 1, max = var.hub.machines_max }
    worker = { machine = var.hub.worker, gpu = var.hub.gpu, unit = "aegle-worker.service", min = var.hub.workers_min, max = var.hub.workers_max }
  }
  metadata = { for pool, it in local.pools : pool => {
    enable-oslogin         = "TRUE"
    enable-osconfig        = "TRUE"
    serial-port-enable     = "FALSE"
    block-project-ssh-keys = "TRUE"
    aegle-facts            = jsonencode(merge(local.facts, { role = pool }))
    aegle-service          = file("${local.startup}/${it.unit}")
    startup-script         = local.script
  } }
}

resource "google_compute_region_instance_template" "pool" {
  for_each = local.pools

  project = var.estate.hub.id
  region  = var.estate.region
  # A template cannot change, so its name follows what is in it; the old one goes when the group has left it.
  name = "${each.key}-${substr(sha256(jsonencode([
    each.value.machine, each.value.gpu, var.hub.release, var.software.installers, local.script,
    file("${local.startup}/${each.value.unit}"),
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
  depends_on = [google_compute_subnetwork_iam_member.groups, google_project_iam_member.identity, google_storage_bucket_iam_member.software]
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
