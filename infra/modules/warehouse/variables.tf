variable "project" {
  description = "Id of the hub's project."
  type        = string
}

variable "region" {
  description = "Where the rows lie."
  type        = string
}

variable "name" {
  description = "Name of the data set; the views' data set is NAME_read."
  type        = string
}

variable "key" {
  description = "Id of the key that encrypts every table."
  type        = string
}

variable "writer" {
  description = "Member that writes rows: the hub's identity."
  type        = string
}

variable "analysts" {
  description = "Who asks, by a short name: a group, and the sites whose rows it sees (none named: all)."
  type = map(object({
    member = string
    sites  = optional(list(string), [])
  }))
  default = {}
  validation {
    condition     = alltrue([for who in var.analysts : can(regex("^group:", who.member))])
    error_message = "Analysts are a group, written group:NAME@DOMAIN."
  }
}

variable "labels" {
  description = "Labels of data sets and tables."
  type        = map(string)
}

variable "protected" {
  description = "Whether tables refuse to be deleted."
  type        = bool
  default     = true
}
