#!/bin/bash
# Makes the bucket that keeps Terraform's state: versioned, encrypted with a key of ours, closed to the world, in one region.
# Run it once, before `aegle apply --foundation`; run again, it changes only what is not so yet.
#   infra/bootstrap.sh PROJECT BUCKET REGION
set -euo pipefail
[ $# = 3 ] || { echo "Say: $0 PROJECT BUCKET REGION" >&2; exit 2; }
project="$1" bucket="$2" region="$3"
ring="projects/$project/locations/$region/keyRings/state"

has() { "$@" >/dev/null 2>&1; }

gcloud services enable cloudkms.googleapis.com storage.googleapis.com --project="$project"
has gcloud kms keyrings describe "$ring" || gcloud kms keyrings create "$ring"
has gcloud kms keys describe "$ring/cryptoKeys/state" ||
  gcloud kms keys create state --keyring="$ring" --purpose=encryption --rotation-period=90d \
    --next-rotation-time="$(date --utc --date='+90 days' +%Y-%m-%dT%H:%M:%SZ)"
agent="$(gcloud storage service-agent --project="$project")"
gcloud kms keys add-iam-policy-binding "$ring/cryptoKeys/state" --member="serviceAccount:$agent" \
  --role=roles/cloudkms.cryptoKeyEncrypterDecrypter --condition=None >/dev/null
has gcloud storage buckets describe "gs://$bucket" ||
  gcloud storage buckets create "gs://$bucket" --project="$project" --location="$region" \
    --uniform-bucket-level-access --public-access-prevention --default-encryption-key="$ring/cryptoKeys/state"
gcloud storage buckets update "gs://$bucket" --versioning --public-access-prevention --uniform-bucket-level-access \
  --default-encryption-key="$ring/cryptoKeys/state" --soft-delete-duration=90d
echo "State is kept in gs://$bucket. Write into aegle.yaml:  google: {state_bucket: $bucket}"
