# A site counts as provisioned when its first hello reached the hub; silence alerts, from the first minute on.
resource "google_monitoring_alert_policy" "silent" {
  project      = var.estate.monitoring.id
  display_name = "Site ${var.name} is silent"
  combiner     = "OR"
  severity     = "CRITICAL"
  enabled      = local.live
  user_labels  = local.labels

  conditions {
    display_name = "No hello from ${var.name} for 45 minutes"
    condition_threshold {
      # A series that never began is counted as zero, which an absence condition would not notice.
      filter                  = "metric.type=\"logging.googleapis.com/user/aegle/hello\" AND resource.type=\"global\" AND metric.label.site=\"${var.name}\""
      comparison              = "COMPARISON_LT"
      threshold_value         = 1
      duration                = "0s"
      evaluation_missing_data = "EVALUATION_MISSING_DATA_ACTIVE"
      aggregations {
        alignment_period     = "2700s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
      }
      trigger {
        count = 1
      }
    }
  }
  documentation {
    subject   = "Site ${var.name} is silent"
    mime_type = "text/markdown"
    content   = "No hello from **${var.name}** for 45 minutes. What it holds is safe. See the machine's start-up log in Logging (`jsonPayload.aegle_step`), then its page in the hub's console."
  }
  notification_channels = var.estate.channels
}

resource "google_billing_budget" "site" {
  billing_account = var.estate.billing_account
  display_name    = "Aegle site ${var.name}"

  budget_filter {
    projects = ["projects/${var.estate.sites.number}"]
    labels   = { aegle_site = var.name }
  }
  amount {
    specified_amount {
      currency_code = var.estate.currency
      units         = tostring(var.site.budget)
    }
  }
  threshold_rules {
    threshold_percent = 0.8
  }
  threshold_rules {
    threshold_percent = 1
  }
  all_updates_rule {
    monitoring_notification_channels = var.estate.channels
    disable_default_iam_recipients   = false
  }
}
