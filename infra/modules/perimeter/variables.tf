variable "policy" {
  description = "Number of the organisation's access policy."
  type        = string
}

variable "name" {
  description = "Name of the perimeter, with underscores."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,48}$", var.name))
    error_message = "A perimeter's name has small letters, digits and underscores."
  }
}

variable "projects" {
  description = "Numbers of the projects inside, by name."
  type        = map(string)
}

variable "members" {
  description = "Who may come in from outside: the deploy identity and the people who operate."
  type        = list(string)
}

variable "enforced" {
  description = "false: what would be refused is only logged. Read those logs for a week, then set it true."
  type        = bool
  default     = false
}
