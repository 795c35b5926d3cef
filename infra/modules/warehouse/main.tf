# Labels, predictions and audit as rows: pseudonyms, codes and geometry. No pixel is here, and nobody who asks here gets a
# role on an archive.
locals {
  tables = jsondecode(file("${path.module}/tables.json"))
  grants = merge([
    for table in keys(local.tables) : { for who, analyst in var.analysts : "${table}/${who}" => {
      table = table, member = analyst.member, sites = analyst.sites
    } }
  ]...)
}

resource "google_bigquery_dataset" "rows" {
  project                    = var.project
  location                   = var.region
  dataset_id                 = var.name
  description                = "Rows, written by the hub alone."
  delete_contents_on_destroy = false
  deletion_policy            = var.protected ? "PREVENT" : "DELETE"
  labels                     = var.labels

  default_encryption_configuration {
    kms_key_name = var.key
  }
}

resource "google_bigquery_table" "rows" {
  for_each = local.tables

  project             = var.project
  dataset_id          = google_bigquery_dataset.rows.dataset_id
  table_id            = each.key
  description         = each.value.about
  schema              = jsonencode(each.value.columns)
  clustering          = each.value.clustering
  deletion_protection = var.protected
  labels              = var.labels

  encryption_configuration {
    kms_key_name = var.key
  }
  time_partitioning {
    type  = "DAY"
    field = each.value.day
  }
}

resource "google_bigquery_dataset" "views" {
  project                    = var.project
  location                   = var.region
  dataset_id                 = "${var.name}_read"
  description                = "Views for people who ask."
  delete_contents_on_destroy = false
  labels                     = var.labels

  default_encryption_configuration {
    kms_key_name = var.key
  }
}

# Corrections and retractions resolved; the same words as the local warehouse's view.
resource "google_bigquery_table" "label_current" {
  project             = var.project
  dataset_id          = google_bigquery_dataset.views.dataset_id
  table_id            = "label_current"
  description         = "Every label in force."
  deletion_protection = false
  labels              = var.labels

  view {
    use_legacy_sql = false
    query          = <<-SQL
      SELECT * FROM `${var.project}.${var.name}.label` AS l WHERE NOT l.retracted AND NOT EXISTS (
        SELECT 1 FROM `${var.project}.${var.name}.label` AS later WHERE later.site = l.site AND later.supersedes = l.event_id)
    SQL
  }
  depends_on = [google_bigquery_table.rows]
}

resource "google_bigquery_dataset_access" "label_current" {
  project    = var.project
  dataset_id = google_bigquery_dataset.rows.dataset_id

  view {
    project_id = var.project
    dataset_id = google_bigquery_dataset.views.dataset_id
    table_id   = google_bigquery_table.label_current.table_id
  }
}

resource "google_bigquery_row_access_policy" "writer" {
  for_each = local.tables

  project          = var.project
  dataset_id       = google_bigquery_dataset.rows.dataset_id
  table_id         = google_bigquery_table.rows[each.key].table_id
  policy_id        = "writer"
  filter_predicate = "TRUE"
  grantees         = [var.writer]
}

# With a policy on a table, whoever is in none sees no row.
resource "google_bigquery_row_access_policy" "analyst" {
  for_each = local.grants

  project          = var.project
  dataset_id       = google_bigquery_dataset.rows.dataset_id
  table_id         = google_bigquery_table.rows[each.value.table].table_id
  policy_id        = "analyst_${split("/", each.key)[1]}"
  filter_predicate = length(each.value.sites) == 0 ? "TRUE" : "site IN (${join(", ", [for site in each.value.sites : "'${site}'"])})"
  grantees         = [each.value.member]
}

resource "google_bigquery_dataset_iam_member" "writer" {
  project    = var.project
  dataset_id = google_bigquery_dataset.rows.dataset_id
  role       = "roles/bigquery.dataEditor"
  member     = var.writer
}

resource "google_bigquery_dataset_iam_member" "analyst" {
  for_each = var.analysts

  project    = var.project
  dataset_id = google_bigquery_dataset.views.dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = each.value.member
}

resource "google_project_iam_member" "ask" {
  for_each = merge({ writer = var.writer }, { for who, analyst in var.analysts : "analyst-${who}" => analyst.member })

  project = var.project
  role    = "roles/bigquery.jobUser"
  member  = each.value
}
