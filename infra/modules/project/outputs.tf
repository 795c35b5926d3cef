output "project" {
  description = "Id, number, and the members of the service agents by service. Ready when its APIs are on."
  value = {
    id     = google_project.this.project_id
    number = google_project.this.number
    agents = { for service, agent in google_project_service_identity.this : service => agent.member }
  }
  depends_on = [google_project_service.this]
}
