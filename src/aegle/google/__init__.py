"""The ports on Google Cloud, over the services' JSON interfaces with google-auth's credentials (`pip install aegle[gcp]`)."""

from aegle.google.archive import GoogleToken
from aegle.google.audit import CloudTrail
from aegle.google.identity import TokenVerifier, site_token
from aegle.google.lending import ReaderToken
from aegle.google.secrets import SecretManager
from aegle.google.session import Session, machine_credentials

__all__ = [
    "CloudTrail",
    "GoogleToken",
    "ReaderToken",
    "SecretManager",
    "Session",
    "TokenVerifier",
    "machine_credentials",
    "site_token",
]
