resource "google_project" "this" {
  name                = var.project.id
  project_id          = var.project.id
  folder_id           = var.project.folder
  billing_account     = var.billing_account
  auto_create_network = false
  deletion_policy     = var.protected ? "PREVENT" : "DELETE"
  labels              = var.labels
}

resource "google_project_service" "this" {
  for_each = toset(var.project.services)

  project            = google_project.this.project_id
  service            = each.value
  disable_on_destroy = false
}

# Google's own identity for a service: it must exist before a key can be lent to it.
resource "google_project_service_identity" "this" {
  for_each = toset(var.project.agents)
  provider = google-beta

  project    = google_project.this.project_id
  service    = each.value
  depends_on = [google_project_service.this]
}
