variable "hub" {
  description = "The hub: its public name, machines, database, and the release it runs."
  type = object({
    name              = string
    release           = string
    machine           = optional(string, "e2-standard-4")
    machines_max      = optional(number, 3)
    worker            = optional(string, "n2-standard-8")
    gpu               = optional(string) # as nvidia-l4; none: CPU
    workers_min       = optional(number, 1)
    workers_max       = optional(number, 8)
    requests_a_worker = optional(number, 10) # waiting requests that one worker is worth
    database_tier     = optional(string, "db-custom-2-7680")
    bundle            = optional(string)          # folder below bundles/ of the bucket; none: the reference model
    dataset           = optional(string, "aegle") # of the warehouse
    migration_until   = optional(string)          # while a release is brought in; after this the migration identity may do nothing
  })
  validation {
    condition     = can(regex("^[a-z0-9.-]+\\.[a-z]{2,}$", var.hub.name))
    error_message = "The hub's name is a DNS name, as hub.example.org."
  }
  validation {
    condition     = var.hub.workers_min <= var.hub.workers_max && var.hub.workers_max <= 64
    error_message = "workers_min is at most workers_max, which is at most 64."
  }
  validation {
    condition     = var.hub.migration_until == null || can(timecmp(var.hub.migration_until, "2026-01-01T00:00:00Z"))
    error_message = "migration_until is a time, as 2026-12-31T00:00:00Z."
  }
  validation {
    condition     = try(timecmp(var.hub.migration_until, timeadd(plantimestamp(), "2160h")), 0) <= 0
    error_message = "migration_until is within 90 days: whoever changes tables does so for a time."
  }
}

variable "estate" {
  description = "Where it stands."
  type = object({
    prefix     = string
    region     = string
    zone       = string
    hub        = object({ id = string, number = string, agents = map(string) })
    network    = object({ id = string })
    sites      = object({ id = string })
    network_id = string
    subnets    = map(string) # hub, proxies, attachment
    database   = string      # range for the database, as 10.32.0.0/24
    proxies    = string      # range of the proxies' subnet
  })
}

variable "key" {
  description = "Id of the key for disks, database, bucket and secrets."
  type        = string
}

variable "software" {
  description = "The mirror, as module software gives it."
  type = object({
    bucket     = string
    installers = map(object({ version = string, object = string, sha256 = string }))
  })
}

variable "identities" {
  description = "The identities of hub, worker and migration: email and member."
  type        = map(object({ email = string, member = string, name = string }))
}

variable "labels" {
  description = "Labels."
  type        = map(string)
}

variable "protected" {
  description = "Whether the database and its bucket refuse to be deleted."
  type        = bool
  default     = true
}
