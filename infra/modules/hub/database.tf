# PostgreSQL without a public address and without a password: identities sign in.
resource "google_compute_global_address" "database" {
  project       = var.estate.network.id
  name          = "hub-database"
  network       = var.estate.network_id
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  address       = cidrhost(var.estate.database, 0)
  prefix_length = tonumber(split("/", var.estate.database)[1])
}

resource "google_service_networking_connection" "database" {
  network                 = var.estate.network_id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.database.name]
}

resource "google_sql_database_instance" "hub" {
  project             = var.estate.hub.id
  region              = var.estate.region
  name                = "${var.estate.prefix}-hub"
  database_version    = "POSTGRES_17"
  encryption_key_name = var.key
  deletion_protection = var.protected

  settings {
    tier                        = var.hub.database_tier
    edition                     = "ENTERPRISE"
    availability_type           = "REGIONAL"
    disk_type                   = "PD_SSD"
    disk_autoresize             = true
    deletion_protection_enabled = var.protected
    user_labels                 = var.labels

    ip_configuration {
      ipv4_enabled       = false
      private_network    = var.estate.network_id
      allocated_ip_range = google_compute_global_address.database.name
      # Identities sign in by their tokens; the authority is this instance's alone, and the hub's programs check it.
      ssl_mode       = "ENCRYPTED_ONLY"
      server_ca_mode = "GOOGLE_MANAGED_INTERNAL_CA"
    }
    backup_configuration {
      enabled                        = true
      location                       = var.estate.region
      point_in_time_recovery_enabled = true
      start_time                     = "01:00"
      transaction_log_retention_days = 7
      backup_retention_settings {
        retained_backups = 30
        retention_unit   = "COUNT"
      }
    }
    maintenance_window {
      day          = 7
      hour         = 3
      update_track = "stable"
    }
    dynamic "database_flags" {
      for_each = { "cloudsql.iam_authentication" = "on", "log_connections" = "on", "log_disconnections" = "on" }
      content {
        name  = database_flags.key
        value = database_flags.value
      }
    }
  }
  depends_on = [google_service_networking_connection.database]
}

resource "google_sql_database" "hub" {
  project         = var.estate.hub.id
  instance        = google_sql_database_instance.hub.name
  name            = "aegle"
  deletion_policy = "ABANDON"
}

resource "google_sql_user" "identity" {
  for_each = var.identities

  project  = var.estate.hub.id
  instance = google_sql_database_instance.hub.name
  name     = trimsuffix(each.value.email, ".gserviceaccount.com")
  type     = "CLOUD_IAM_SERVICE_ACCOUNT"
  # Migration makes and owns the tables; it lets hub and workers in, table by table.
  database_roles  = each.key == "migration" ? ["cloudsqlsuperuser"] : []
  deletion_policy = "ABANDON"
}
