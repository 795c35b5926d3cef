locals {
  panels  = jsondecode(file("${path.module}/../../panels.json"))
  metrics = { for name, panel in local.panels : name => panel if panel.filter != null }
  per_project = merge([
    for short, project in var.watched : { for name, panel in local.metrics : "${short}/${name}" => { project = project, name = name } }
  ]...)
}

resource "google_monitoring_monitored_project" "this" {
  for_each = var.watched

  metrics_scope = "locations/global/metricsScopes/${var.project}"
  name          = "locations/global/metricsScopes/${var.project}/projects/${each.value}"
}

resource "google_monitoring_notification_channel" "mail" {
  project      = var.project
  display_name = "Aegle operators"
  type         = "email"
  labels       = { email_address = var.mail }
  user_labels  = var.labels
}

# Counted from log lines, so that a program needs nothing but a log to be watched.
resource "google_logging_metric" "this" {
  for_each = local.per_project

  project     = each.value.project
  name        = "aegle/${each.value.name}"
  description = local.panels[each.value.name].title
  filter      = local.panels[each.value.name].filter

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
    labels {
      key         = "site"
      value_type  = "STRING"
      description = "Which site."
    }
  }
  label_extractors = { site = "EXTRACT(jsonPayload.site)" }
}

resource "google_monitoring_dashboard" "this" {
  project = var.project
  dashboard_json = jsonencode({
    displayName = "Aegle"
    labels      = { aegle = "" }
    mosaicLayout = {
      columns = 12
      tiles = [
        for place, name in keys(local.panels) : {
          xPos   = (place % 2) * 6
          yPos   = floor(place / 2) * 4
          width  = 6
          height = 4
          widget = {
            title = local.panels[name].title
            xyChart = { dataSets = [{
              plotType = "LINE"
              timeSeriesQuery = { timeSeriesFilter = {
                filter = "metric.type=\"${local.panels[name].metric}\""
                aggregation = {
                  alignmentPeriod    = "300s"
                  perSeriesAligner   = local.panels[name].filter == null ? "ALIGN_MEAN" : "ALIGN_SUM"
                  crossSeriesReducer = "REDUCE_SUM"
                  groupByFields      = ["metric.label.site"]
                }
              } }
            }] }
          }
        }
      ]
    }
  })
}

resource "google_monitoring_alert_policy" "this" {
  for_each = { for name, panel in local.panels : name => panel if panel.alert != null }

  project      = var.project
  display_name = each.value.alert.title
  combiner     = "OR"
  severity     = each.value.alert.severity
  user_labels  = var.labels

  conditions {
    display_name = each.value.alert.title
    condition_threshold {
      filter          = "metric.type=\"${each.value.metric}\" AND resource.type=\"${each.value.resource}\""
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.alert.above
      duration        = each.value.alert.duration
      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = each.value.filter == null ? "ALIGN_MEAN" : "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
      }
      trigger {
        count = 1
      }
    }
  }
  documentation {
    subject   = each.value.alert.title
    mime_type = "text/markdown"
    content   = each.value.alert.remedy
  }
  notification_channels = [google_monitoring_notification_channel.mail.id]
  depends_on            = [google_logging_metric.this, google_monitoring_monitored_project.this]
}
