"""What a hospital's own machine is given (`gateway: on_premises`): its aegle.yaml, and whom it may become. Nothing secret."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aegle import durable
from aegle.provision import blueprint

_IMPERSONATE = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{}:generateAccessToken"


def hand_over(folder: Path, name: str, made: Mapping[str, Any]) -> Path:
    """Write the files for the machine of site `name` below `folder`; answers where. `made` are the site's outputs.

    `site.env` and `aegle-site.service` are for systemd. `google.json` is what Google calls a credential configuration for
    X.509 federation, `certificate.json` its certificate configuration
    (https://docs.cloud.google.com/iam/docs/workload-identity-federation-with-x509-certificates)."""
    place = folder / f"gateway-{name}"
    place.mkdir(exist_ok=True)
    for file, content in _files(name, made).items():
        durable.write(place / file, (content + "\n").encode(), mode=0o644)
    return place


def _files(name: str, made: Mapping[str, Any]) -> Mapping[str, str]:
    who = {
        "type": "external_account",
        "universe_domain": "googleapis.com",
        "audience": made["audience"],
        "subject_token_type": "urn:ietf:params:oauth:token-type:mtls",
        "token_url": "https://sts.mtls.googleapis.com/v1/token",
        "service_account_impersonation_url": _IMPERSONATE.format(made["identity"]),
        "credential_source": {"certificate": {"use_default_certificate_config": True}},
    }
    environment = {
        "AEGLE_SITE": name,
        "GOOGLE_APPLICATION_CREDENTIALS": "/etc/aegle/google.json",
        "GOOGLE_API_CERTIFICATE_CONFIG": "/etc/aegle/certificate.json",
    }
    certificate = {"cert_path": f"/etc/aegle/aegle-{name}.crt", "key_path": f"/etc/aegle/aegle-{name}.key"}
    return {
        "aegle.yaml": json.dumps(json.loads(made["config"]), indent=2),
        "google.json": json.dumps(who, indent=2),
        "certificate.json": json.dumps({"cert_configs": {"workload": certificate}}, indent=2),
        "site.env": "\n".join(f"{key}={value}" for key, value in environment.items()),
        "aegle-site.service": blueprint.data("startup/aegle-site.service").rstrip(),
    }
