"""Lending a worker an archive on Google Cloud: an hour's token of an identity that reads that one store, and nothing else.

The site's own identity may mint tokens of its reader (the blueprint grants that, to it alone); the hub has no role at any site.
https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken
"""

from datetime import UTC, datetime, timedelta

from aegle.google.session import Session
from aegle.ports import Loan

SERVICE = "https://iamcredentials.googleapis.com/v1"
SCOPE = "https://www.googleapis.com/auth/cloud-healthcare"
LIFE = timedelta(hours=1)  #: the longest that Google gives without an organisation's exception


class ReaderToken:
    """The Lender port. Google's grant is for a store, not for a study: the site's store is what the worker may read."""

    life = LIFE

    def __init__(self, session: Session, reader: str, archive_url: str, service: str = SERVICE) -> None:
        """`reader` is the address of the service account that reads the store."""
        self._session, self._url = session, archive_url
        self._mint = f"{service}/projects/-/serviceAccounts/{reader}:generateAccessToken"

    def lend(self, study_uid: str) -> Loan:
        """A new token. Raises what the session does."""
        wish = {"scope": [SCOPE], "lifetime": f"{int(LIFE.total_seconds())}s"}
        answer = self._session.call("POST", self._mint, wish)
        until = datetime.fromisoformat(answer["expireTime"]).astimezone(UTC)
        return Loan(archive_url=self._url, grant=answer["accessToken"], until=until)
