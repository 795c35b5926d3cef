"""The ports on Google Cloud, over the services' JSON interfaces with google-auth's credentials (`pip install aegle[gcp]`)."""

from aegle.google.archive import GoogleToken
from aegle.google.audit import CloudTrail, PromptTrail
from aegle.google.bigquery import BigQuery
from aegle.google.database import CloudSql
from aegle.google.figures import QUEUE_DEPTH, Figures
from aegle.google.identity import TokenVerifier, site_token
from aegle.google.lending import ReaderToken
from aegle.google.secrets import SecretManager
from aegle.google.services import address
from aegle.google.session import Session, machine_credentials
from aegle.google.storage import Bucket

__all__ = [
    "QUEUE_DEPTH",
    "BigQuery",
    "Bucket",
    "CloudSql",
    "CloudTrail",
    "Figures",
    "GoogleToken",
    "PromptTrail",
    "ReaderToken",
    "SecretManager",
    "Session",
    "TokenVerifier",
    "address",
    "machine_credentials",
    "site_token",
]
