"""Google Cloud from aegle.yaml: plan told in words, apply with progress, policy over what was applied, doctor, mirror."""
