locals {
  # Keyed by the member's short name, never by its address, which is known only after it was made.
  lent = merge([
    for key, members in var.keys : { for name, member in members : "${key}/${name}" => { key = key, member = member } }
  ]...)
}

resource "google_kms_key_ring" "this" {
  project  = var.project
  location = var.region
  name     = var.ring
}

resource "google_kms_crypto_key" "this" {
  for_each = var.keys

  name                       = each.key
  key_ring                   = google_kms_key_ring.this.id
  purpose                    = "ENCRYPT_DECRYPT"
  rotation_period            = "7776000s" # 90 days
  destroy_scheduled_duration = "2592000s" # 30 days in which a destroyed version can be brought back
  labels                     = var.labels

  lifecycle {
    prevent_destroy = true # what it encrypted would be lost
  }
}

resource "google_kms_crypto_key_iam_member" "this" {
  for_each = local.lent

  crypto_key_id = google_kms_crypto_key.this[each.value.key].id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = each.value.member
}
