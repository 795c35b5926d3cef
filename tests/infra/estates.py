"""Inputs of the two roots, as a small company would give them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from infra.standin.identities import agent_of, number_of

FOUNDATION: Final[dict[str, Any]] = {
    "estate": {
        "prefix": "cervix",
        "parent": "organizations/123456789012",
        "organisation": "123456789012",
        "customer": "C0abc123",
        "billing_account": "0A1B2C-3D4E5F-678901",
        "region": "europe-west4",
    },
    "deploy": {"issuer": "https://ci.example.org", "subject": "repo:example/aegle:main"},
}
_AGENTS: Final = tuple(
    f"{name}.googleapis.com"
    for name in ("bigquery", "compute", "healthcare", "logging", "secretmanager", "sqladmin", "storage")
)
SOON: Final = f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%dT%H:%M:%SZ}"
CERTIFICATE: Final = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
LINUX_LAB: Final = {"kind": "lab", "cidr": "10.64.1.0/26", "system": "linux", "operators": ["group:lab@example.org"]}
SITES: Final[dict[str, Any]] = {
    "st-anna": {
        "kind": "hospital",
        "cidr": "10.64.0.0/26",
        "operators": ["user:jo@st-anna.example"],
        "pacs": {"cidr": "10.9.0.0/24", "port": 104},
        "settings": json.dumps(
            {
                "door": {"allow": [{"ae_title": "PACS", "address": "10.9.0.0/24"}], "stow": {"port": 11180}},
                "query": {"port": 11113, "allow": [{"ae_title": "STATION", "address": "10.9.0.7"}]},
                "pacs": {"host": "10.9.0.4", "port": 104, "ae_title": "PACS"},
            }
        ),
        "vpn": {"peer": "203.0.113.9", "asn": 64600},
    },
    "lab-north": LINUX_LAB,
    "mercy": {
        "kind": "hospital",
        "cidr": "10.64.2.0/26",
        "gateway": "on_premises",
        "ca_pem": CERTIFICATE,
        "vpn": {"peer": "203.0.113.10", "asn": 64601},
    },
}


def project(name: str) -> dict[str, Any]:
    """A project as the foundation's output names it."""
    identity = f"cervix-{name}"
    return {
        "id": identity,
        "number": number_of(identity),
        "agents": {service: f"serviceAccount:{agent_of(service, identity)}" for service in _AGENTS},
    }


def platform(sites: dict[str, Any] | None = None, **estate: Any) -> dict[str, Any]:
    """Inputs of the platform with these sites."""
    names = {"hub": "hub-prod", "sites": "sites-prod", "net": "net", "logs": "logs", "monitoring": "monitoring"}
    return {
        "estate": {
            "prefix": "cervix",
            "region": "europe-west4",
            "zone": "europe-west4-a",
            "billing_account": "0A1B2C-3D4E5F-678901",
            "currency": "EUR",
            "folder": "folders/100",
            "mail": "operators@example.org",
            "access_policy": "987654321",
            "members": ["serviceAccount:aegle-deploy@cervix-monitoring.iam.gserviceaccount.com"],
            "projects": {short: project(name) for short, name in names.items()},
            **estate,
        },
        "hub": {"name": "hub.example.org", "release": "0.1.0", "migration_until": SOON},
        "analysts": {"research": {"member": "group:research@example.org", "sites": ["lab-north"]}},
        "installers": {},
        "sites": SITES if sites is None else sites,
    }
