# As the ecosystem tests modules: providers mocked, one assertion a fact. What a mock cannot show is in tests/infra.
mock_provider "google" {}

variables {
  estate = {
    prefix          = "cervix"
    region          = "europe-west4"
    zone            = "europe-west4-a"
    billing_account = "0A1B2C-3D4E5F-678901"
    currency        = "EUR"
    folder          = "folders/100"
    mail            = "operators@example.org"
    projects = { for short in ["hub", "sites", "net", "logs", "monitoring"] : short => {
      id     = "cervix-${short}"
      number = "1"
      agents = { for service in ["bigquery", "compute", "healthcare", "logging", "secretmanager", "sqladmin", "storage"] :
        "${service}.googleapis.com" => "serviceAccount:service-1@gcp-sa-${service}.iam.gserviceaccount.com"
      }
    } }
  }
  hub = { name = "hub.example.org", release = "0.1.0" }
}

run "without_sites_there_is_the_hub_alone" {
  command = plan

  assert {
    condition     = length(module.site) == 0 && module.hub.hub.name == "hub.example.org"
    error_message = "a site nobody asked for"
  }
}

run "each_block_is_one_module" {
  command = plan
  variables {
    sites = {
      st-anna   = { kind = "hospital", cidr = "10.64.0.0/26" }
      lab-north = { kind = "lab", cidr = "10.64.0.64/26", system = "linux" }
    }
  }

  assert {
    condition     = toset(keys(module.site)) == toset(["st-anna", "lab-north"])
    error_message = "sites are keyed by their names"
  }
  assert {
    condition     = module.site["st-anna"].site.machine == "site-st-anna"
    error_message = "a machine is named after its site"
  }
}

run "a_zone_of_another_region_is_refused" {
  command = plan
  variables {
    estate = {
      prefix          = "cervix"
      region          = "europe-west4"
      zone            = "us-central1-a"
      billing_account = "0A1B2C-3D4E5F-678901"
      currency        = "EUR"
      folder          = "folders/100"
      mail            = "operators@example.org"
      projects        = {}
    }
  }
  expect_failures = [var.estate]
}
