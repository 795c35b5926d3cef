variable "project" {
  description = "Id of the project that holds the network."
  type        = string
}

variable "name" {
  description = "Name of the network, and the start of every name in it."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,38}[a-z0-9]$", var.name))
    error_message = "A network's name is 3 to 40 small letters, digits and hyphens, starting with a letter."
  }
}

variable "region" {
  description = "The one region."
  type        = string
}

variable "subnets" {
  description = "Subnets by name. purpose: PRIVATE for machines, PRIVATE_SERVICE_CONNECT to publish, REGIONAL_MANAGED_PROXY for a balancer."
  type = map(object({
    cidr    = string
    purpose = optional(string, "PRIVATE")
  }))
  validation {
    condition     = alltrue([for subnet in var.subnets : can(cidrhost(subnet.cidr, 0))])
    error_message = "A subnet's cidr looks like 10.64.0.0/26."
  }
}

variable "nat" {
  description = "Whether machines may open connections to the internet. Only the hub's do, to fetch releases."
  type        = bool
  default     = false
}
