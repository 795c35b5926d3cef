output "hub" {
  description = "How sites reach the hub."
  value       = module.hub.hub
}

output "certificate_record" {
  description = "DNS record to set once."
  value       = module.hub.certificate_record
}

output "sites" {
  description = "What an operator needs to know of each site."
  value       = { for name, site in module.site : name => site.site }
}

output "analysts" {
  description = "Of which sites each analyst was declared to see rows, for the policy to compare with what stands; none named: all."
  value       = { for who, analyst in var.analysts : analyst.member => analyst.sites }
}

output "declared" {
  description = "What each site's block declares about its network, for the policy to compare with what stands."
  value       = { for name, site in var.sites : name => { pacs = try(site.pacs.cidr, null), vpn = try(site.vpn.peer, null) } }
}
