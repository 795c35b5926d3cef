variable "project" {
  description = "The project: its id, the folder it stands in (folders/N), the APIs it uses, the services whose agents must exist."
  type = object({
    id       = string
    folder   = string
    services = list(string)
    agents   = optional(list(string), [])
  })
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project.id))
    error_message = "A project id is 6 to 30 small letters, digits and hyphens, starting with a letter."
  }
  validation {
    condition     = can(regex("^folders/", var.project.folder))
    error_message = "The folder is written folders/NUMBER."
  }
  validation {
    condition     = alltrue([for agent in var.project.agents : contains(var.project.services, agent)])
    error_message = "A service whose agent is wanted must be among the project's services."
  }
}

variable "billing_account" {
  description = "Billing account, as 0X0X0X-0X0X0X-0X0X0X."
  type        = string
  validation {
    condition     = can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "A billing account looks like 0A1B2C-3D4E5F-678901."
  }
}

variable "labels" {
  description = "Labels of the project."
  type        = map(string)
}

variable "protected" {
  description = "Whether Google refuses to delete the project."
  type        = bool
  default     = true
}
