output "keys" {
  description = "Ids by key. Ready when the members may use them."
  value       = { for name, key in google_kms_crypto_key.this : name => key.id }
  depends_on  = [google_kms_crypto_key_iam_member.this]
}
