variable "project" {
  description = "Id of the project that watches the others."
  type        = string
}

variable "watched" {
  description = "Ids of the projects that are watched, by a short name."
  type        = map(string)
}

variable "mail" {
  description = "Address that alerts go to."
  type        = string
  validation {
    condition     = can(regex("^[^@]+@[^@]+$", var.mail))
    error_message = "mail is an address."
  }
}

variable "labels" {
  description = "Labels of alerts and channels."
  type        = map(string)
}
