output "mirror" {
  description = "The bucket, and for each installer the object and its digest, as the machines read it."
  value = {
    bucket = google_storage_bucket.this.name
    installers = {
      for name, item in var.installers : name => {
        version = item.version
        object  = google_storage_bucket_object.installer[name].name
        sha256  = item.sha256
      }
    }
  }
}
