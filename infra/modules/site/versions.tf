terraform {
  required_version = ">= 1.11" # write-only arguments keep secrets out of the state
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 7.46, < 9"
    }
  }
}
