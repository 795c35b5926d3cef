variable "estate" {
  description = "The company's choices: where in its organisation Aegle stands, who pays, where data may lie, who may be let in."
  type = object({
    prefix          = string # starts every project's id; unique in the world
    parent          = string # organizations/N or folders/N
    organisation    = string # number of the organisation
    customer        = string # directory customer id, as C0abc123
    billing_account = string
    region          = string
    protected       = optional(bool, true)
  })
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,13}[a-z0-9]$", var.estate.prefix))
    error_message = "prefix is 3 to 15 small letters, digits and hyphens, starting with a letter."
  }
  validation {
    condition     = can(regex("^(organizations|folders)/[0-9]+$", var.estate.parent))
    error_message = "parent is organizations/NUMBER or folders/NUMBER."
  }
  validation {
    condition     = can(regex("^C0[a-z0-9]+$", var.estate.customer))
    error_message = "customer is the directory's customer id, as C0abc123."
  }
}

variable "deploy" {
  description = "The pipeline that applies the platform: the issuer of its tokens, and the subject that it must carry."
  type = object({
    issuer  = string
    subject = string
  })
  validation {
    condition     = startswith(var.deploy.issuer, "https://")
    error_message = "issuer is an https address."
  }
}
