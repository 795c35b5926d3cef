variable "name" {
  description = "The site's name; every name below starts from it."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,18}[a-z0-9]$", var.name)) && var.name != "hub"
    error_message = "A site's name on Google Cloud is 2 to 20 small letters, digits and hyphens, starting with a letter, and not hub."
  }
}

variable "site" {
  description = "The site's block of aegle.yaml."
  type = object({
    kind      = string                     # hospital or lab
    cidr      = string                     # of its network
    operators = optional(list(string), []) # user:... or group:..., who may reach its machine
    frozen    = optional(bool, false)      # stopped and without rights, everything kept
    gateway   = optional(string, "vm")
    system    = optional(string, "windows")
    machine   = optional(string, "n2-standard-4")
    disk_gb   = optional(number, 500)
    door_port = optional(number, 11112)
    budget    = optional(number, 500)  # a month, in the billing account's currency
    settings  = optional(string, "{}") # JSON: door, query, pacs, deid, operating_point of the block, for the machine here
    ca_pem    = optional(string)       # on_premises: the authority that signs the machine's certificate
    pacs      = optional(object({ cidr = string, port = number }))
    vpn       = optional(object({ peer = string, asn = number })) # public address and BGP number of the hospital's device
  })
  validation {
    condition     = contains(["hospital", "lab"], var.site.kind)
    error_message = "kind is hospital or lab."
  }
  validation {
    condition     = contains(["vm", "on_premises"], var.site.gateway)
    error_message = "gateway is vm or on_premises."
  }
  validation {
    condition     = contains(["windows", "linux"], var.site.system)
    error_message = "system is windows or linux."
  }
  validation {
    condition     = can(cidrhost(var.site.cidr, 15))
    error_message = "A site's cidr has at least 16 addresses, as 10.64.0.0/26."
  }
  validation {
    condition     = var.site.gateway != "on_premises" || (var.site.ca_pem != null && var.site.vpn != null && var.site.pacs == null)
    error_message = "gateway on_premises needs ca_pem and vpn, and no pacs: the hospital's machine reaches its PACS itself."
  }
  validation {
    condition     = alltrue([for who in var.site.operators : can(regex("^(user|group):[^@]+@[^@]+$", who))])
    error_message = "An operator is written user:NAME@DOMAIN or group:NAME@DOMAIN."
  }
  validation {
    condition     = var.site.pacs == null || (can(cidrhost(var.site.pacs.cidr, 0)) && var.site.vpn != null)
    error_message = "pacs needs a cidr as 10.9.0.0/24, and the vpn that leads there."
  }
  validation {
    condition     = can(keys(jsondecode(var.site.settings))) && length(setsubtract(try(keys(jsondecode(var.site.settings)), []), ["deid", "door", "operating_point", "pacs", "query"])) == 0
    error_message = "settings is JSON of door, query, pacs, deid and operating_point."
  }
}

variable "estate" {
  description = "Where everything stands."
  type = object({
    prefix          = string
    region          = string
    zone            = string
    billing_account = string
    currency        = string
    sites           = object({ id = string, number = string, agents = map(string) })
    network         = object({ id = string })
    monitoring      = object({ id = string })
    channels        = list(string) # notification channels
  })
}

variable "hub" {
  description = "How the hub is reached: its name, the service attachment that publishes it, and the bucket where it looks for sites."
  type        = object({ name = string, attachment = string, bucket = string })
}

variable "software" {
  description = "The mirror of installers, as module software gives it."
  type = object({
    bucket     = string
    installers = map(object({ version = string, object = string, sha256 = string }))
  })
}

variable "vpn_secret" {
  description = "Secret shared with the hospital's VPN device. Never kept in the state."
  type        = string
  default     = null
  ephemeral   = true
}
