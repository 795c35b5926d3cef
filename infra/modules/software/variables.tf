variable "project" {
  description = "Id of the project that holds the mirror."
  type        = string
}

variable "region" {
  description = "Where the files lie."
  type        = string
}

variable "name" {
  description = "Name of the bucket."
  type        = string
}

variable "key" {
  description = "Id of the key that encrypts it."
  type        = string
}

variable "labels" {
  description = "Labels of the bucket."
  type        = map(string)
}

variable "installers" {
  description = "What machines install, by name: version, file name, SHA-256 in hexadecimal, and the local file that `aegle infra mirror` has checked."
  type = map(object({
    version = string
    file    = string
    sha256  = string
    source  = string
  }))
  default = {}
  validation {
    condition     = alltrue([for item in var.installers : can(regex("^[0-9a-f]{64}$", item.sha256))])
    error_message = "sha256 is 64 hexadecimal digits, in small letters."
  }
}
