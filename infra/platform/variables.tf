variable "estate" {
  description = "What the foundation made, as its output says, and the choices that hold everywhere."
  type = object({
    prefix          = string
    region          = string
    zone            = string
    billing_account = string
    currency        = string
    folder          = string
    mail            = string
    access_policy   = optional(string)
    enforced        = optional(bool, false) # the service perimeter
    members         = optional(list(string), [])
    protected       = optional(bool, true)
    retention_days  = optional(number, 400)
    ranges = optional(object({
      hub        = optional(string, "10.32.0.0/24")
      proxies    = optional(string, "10.32.1.0/24")
      attachment = optional(string, "10.32.2.0/24")
      database   = optional(string, "10.32.4.0/24")
    }), {})
    projects = map(object({ id = string, number = string, agents = map(string) }))
  })
  validation {
    condition     = length(setsubtract(["hub", "sites", "net", "logs", "monitoring"], keys(var.estate.projects))) == 0
    error_message = "The estate needs the projects hub, sites, net, logs and monitoring: apply the foundation first."
  }
  validation {
    condition     = startswith(var.estate.zone, "${var.estate.region}-")
    error_message = "The zone lies in the region."
  }
}

variable "hub" {
  description = "See modules/hub."
  type = object({
    name              = string
    release           = string
    machine           = optional(string, "e2-standard-4")
    machines_max      = optional(number, 3)
    worker            = optional(string, "n2-standard-8")
    gpu               = optional(string)
    workers_min       = optional(number, 1)
    workers_max       = optional(number, 8)
    requests_a_worker = optional(number, 10)
    database_tier     = optional(string, "db-custom-2-7680")
    bundle            = optional(string)
    migration_until   = optional(string)
  })
}

variable "analysts" {
  description = "See modules/warehouse."
  type = map(object({
    member = string
    sites  = optional(list(string), [])
  }))
  default = {}
}

variable "installers" {
  description = "See modules/software; `aegle infra mirror` writes it."
  type = map(object({
    version = string
    file    = string
    sha256  = string
    source  = string
  }))
  default = {}
}

variable "sites" {
  description = "Hospitals and laboratories by name; see modules/site."
  type = map(object({
    kind      = string
    cidr      = string
    operators = optional(list(string), [])
    frozen    = optional(bool, false)
    gateway   = optional(string, "vm")
    system    = optional(string, "windows")
    machine   = optional(string, "n2-standard-4")
    disk_gb   = optional(number, 500)
    door_port = optional(number, 11112)
    budget    = optional(number, 500)
    settings  = optional(string, "{}")
    ca_pem    = optional(string)
    pacs      = optional(object({ cidr = string, port = number }))
    vpn       = optional(object({ peer = string, asn = number }))
  }))
  default = {}
}

variable "vpn_secrets" {
  description = "Secret shared with each hospital's VPN device, by site. Handed over for one run, kept nowhere."
  type        = map(string)
  default     = {}
  ephemeral   = true
}
