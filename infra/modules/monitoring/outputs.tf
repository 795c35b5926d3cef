output "channels" {
  description = "Notification channels. Ready when the metrics that alerts read exist."
  value       = [google_monitoring_notification_channel.mail.id]
  depends_on  = [google_logging_metric.this, google_monitoring_monitored_project.this]
}
