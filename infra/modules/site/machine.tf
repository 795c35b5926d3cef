locals {
  image = {
    windows = "projects/windows-cloud/global/images/family/windows-2022"
    linux   = "projects/debian-cloud/global/images/family/debian-12"
  }
  startup = "${path.module}/../../startup"

  # What the site's block says of its programs; addresses and ports are said here, where the firewall is.
  settings = jsondecode(var.site.settings)
  inside   = local.pacs == null ? "127.0.0.1" : "0.0.0.0"
  door     = try(local.settings.door, {})
  # IAP and the tunnel end at the machine's own address; the firewall lets nothing else in.
  listeners = merge(
    { door = merge(local.door, { port = var.site.door_port, bind = local.inside, plain_network = true }, {
      for name in ["stow"] : name => merge(local.door[name], { bind = local.inside }) if can(local.door[name])
    }) },
    { for name in ["query"] : name => merge(local.settings[name], { bind = local.inside }) if can(local.settings[name]) },
  )

  # What the machine learns at every boot. Metadata is readable by every program on it: no secret stands here.
  facts = {
    site     = var.name
    kind     = var.site.kind
    secrets  = "projects/${local.project}/secrets/${var.name}-"
    mirror   = var.software.bucket
    software = var.software.installers
    # The machine's own aegle.yaml (JSON is YAML): one site, whose secrets, audit log and hub are here.
    config = jsonencode({ sites = { (var.name) = merge(local.settings, local.listeners, {
      kind    = var.site.kind
      cloud   = local.cloud
      pages   = { port = 8443, bind = "0.0.0.0" }
      archive = { url = local.archive_url }
    }) } })
  }
  cloud = {
    project = local.project
    hub_url = "https://${var.hub.name}"
    # An hour's token of this identity goes with each request, so that a worker reads this one archive.
    reader = local.hospital ? "read-${var.name}@${local.project}.iam.gserviceaccount.com" : null
    bucket = google_storage_bucket.site.name
    mirror = var.software.bucket
  }
  jobs = jsondecode(file("${local.startup}/jenkins/jobs.json"))
  job_files = {
    for name, job in local.jobs : name => templatefile("${local.startup}/jenkins/job.xml.tftpl", {
      about    = job.about
      schedule = job.schedule
      command  = replace(replace(job.command, "SITE", var.name), "INCOMING", local.incoming)
      windows  = local.windows
    })
  }
  windows    = var.site.system == "windows"
  incoming   = local.windows ? "D:\\incoming" : "/var/lib/aegle/incoming"
  script_key = local.windows ? "windows-startup-script-ps1" : "startup-script"
  # site.sh finds that common.sh has run before it.
  script = local.windows ? file("${local.startup}/site.ps1") : join("\n", [
    "#!/bin/bash", file("${local.startup}/common.sh"), file("${local.startup}/site.sh"),
  ])
}

resource "google_compute_disk" "data" {
  count = local.has_vm ? 1 : 0

  project = local.project
  zone    = var.estate.zone
  name    = "site-${var.name}-data"
  type    = "pd-balanced"
  size    = var.site.disk_gb
  labels  = local.labels

  disk_encryption_key {
    kms_key_self_link = module.key.keys["data"]
  }
}

resource "google_compute_instance" "site" {
  count = local.has_vm ? 1 : 0

  project                   = local.project
  zone                      = var.estate.zone
  name                      = "site-${var.name}"
  machine_type              = var.site.machine
  tags                      = ["site-${var.name}"]
  labels                    = local.labels
  desired_status            = local.live ? "RUNNING" : "TERMINATED"
  deletion_protection       = local.live
  allow_stopping_for_update = true
  can_ip_forward            = false

  boot_disk {
    kms_key_self_link = module.key.keys["data"]
    initialize_params {
      image = local.image[var.site.system]
      size  = 100
      type  = "pd-balanced"
    }
  }
  attached_disk {
    source            = google_compute_disk.data[0].id
    device_name       = "data"
    kms_key_self_link = module.key.keys["data"]
  }
  network_interface {
    subnetwork = module.network[0].subnets["machine"]
  }
  service_account {
    email  = google_service_account.site.email
    scopes = ["cloud-platform"]
  }
  shielded_instance_config {
    enable_secure_boot          = true
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }
  metadata = {
    enable-oslogin         = "TRUE"
    enable-osconfig        = "TRUE"
    serial-port-enable     = "FALSE"
    block-project-ssh-keys = "TRUE"
    aegle-facts            = jsonencode(local.facts)
    aegle-jobs             = jsonencode(local.job_files)
    aegle-jenkins-init     = file("${local.startup}/jenkins/init.groovy")
    aegle-service          = file("${local.startup}/aegle-site.service")
    (local.script_key)     = local.script
  }

  # The first boot already needs to read its software and its secrets.
  depends_on = [
    google_healthcare_dicom_store_iam_member.site,
    google_project_iam_member.site,
    google_secret_manager_secret_iam_member.list,
    google_secret_manager_secret_iam_member.add,
    google_secret_manager_secret_iam_member.read,
    google_storage_bucket_iam_member.software,
    google_compute_forwarding_rule.hub,
  ]
}

resource "google_iap_tunnel_instance_iam_member" "operators" {
  for_each = local.has_vm && local.live ? toset(var.site.operators) : []

  project  = local.project
  zone     = var.estate.zone
  instance = google_compute_instance.site[0].name
  role     = "roles/iap.tunnelResourceAccessor"
  member   = each.value

  condition {
    title      = "pages-and-desktop"
    expression = join(" || ", [for port in concat(local.ports[var.site.system], ["8443"]) : "destination.port == ${port}"])
  }
}

resource "google_compute_resource_policy" "snapshots" {
  count = local.has_vm ? 1 : 0

  project = local.project
  region  = var.estate.region
  name    = "site-${var.name}-daily"

  snapshot_schedule_policy {
    schedule {
      daily_schedule {
        days_in_cycle = 1
        start_time    = "02:00"
      }
    }
    retention_policy {
      max_retention_days    = 14
      on_source_disk_delete = "KEEP_AUTO_SNAPSHOTS"
    }
    snapshot_properties {
      labels            = local.labels
      storage_locations = [var.estate.region]
    }
  }
}

resource "google_compute_disk_resource_policy_attachment" "data" {
  count = local.has_vm ? 1 : 0

  project = local.project
  zone    = var.estate.zone
  disk    = google_compute_disk.data[0].name
  name    = google_compute_resource_policy.snapshots[0].name
}

resource "google_os_config_patch_deployment" "site" {
  count = local.has_vm ? 1 : 0

  project             = local.project
  patch_deployment_id = "site-${var.name}"

  instance_filter {
    instances = [google_compute_instance.site[0].id]
  }
  patch_config {
    reboot_config = "DEFAULT"
  }
  recurring_schedule {
    time_zone {
      id = "UTC"
    }
    time_of_day {
      hours = 3
    }
    weekly {
      day_of_week = "SUNDAY"
    }
  }
}
