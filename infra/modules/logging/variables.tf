variable "project" {
  description = "Id of the project that holds the logs."
  type        = string
}

variable "folder" {
  description = "Folder whose projects are logged (folders/N), with all below it."
  type        = string
}

variable "region" {
  description = "Where the logs lie."
  type        = string
}

variable "key" {
  description = "Id of the key that encrypts them."
  type        = string
}

variable "retention_days" {
  description = "How long an entry stays. Nobody can shorten it once the bucket is locked."
  type        = number
  default     = 400
  validation {
    condition     = var.retention_days >= 365 && var.retention_days <= 3650
    error_message = "Keep logs for 365 to 3650 days."
  }
}
