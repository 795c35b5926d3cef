output "network" {
  description = "Id of the network. Ready when it is closed."
  value       = google_compute_network.this.id
  depends_on  = [google_compute_firewall.deny, google_compute_route.google]
}

output "subnets" {
  description = "Ids of the subnets by name."
  value = merge(
    { for name, subnet in google_compute_subnetwork.machines : name => subnet.id },
    { for name, subnet in google_compute_subnetwork.proxies : name => subnet.id },
  )
  depends_on = [google_compute_firewall.deny, google_compute_route.google]
}
