variable "project" {
  description = "Id of the project that holds the key ring."
  type        = string
}

variable "region" {
  description = "Where the keys live; what they encrypt must be in the same place."
  type        = string
}

variable "ring" {
  description = "Name of the key ring: the one owner of its keys."
  type        = string
}

variable "keys" {
  description = "Members that may encrypt and decrypt, by key."
  type        = map(map(string))
  validation {
    condition     = length(var.keys) > 0
    error_message = "A key ring without keys cannot be deleted and serves nobody."
  }
}

variable "labels" {
  description = "Labels of every key."
  type        = map(string)
}
