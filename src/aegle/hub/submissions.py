"""What a submission must look like before the hub keeps anything of it: codes, digests and numbers, no free text."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from aegle.api import Submission
from aegle.errors import BadMessage
from aegle.records import InstanceRef

INSTANCES_MAX = 5_000  #: images of one study
GRANT_MAX = timedelta(hours=24)  #: a grant is short-lived

_UID = re.compile(r"[0-9.]{1,64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"[A-Za-z0-9._:-]{1,200}")
_GRANT = re.compile(r"[!-~]{1,8192}")


def check(submission: Submission) -> None:
    """Raises BadMessage, which names the field and its rule and never its value."""
    if not _KEY.fullmatch(submission.key):
        raise BadMessage("key: 1 to 200 of letters, digits and . _ : -")
    if not _DIGEST.fullmatch(submission.input_digest):
        raise BadMessage("input_digest: 64 hexadecimal digits in lower case")
    if not 1 <= len(submission.instances) <= INSTANCES_MAX:
        raise BadMessage(f"instances: 1 to {INSTANCES_MAX}")
    _check_uids(submission.study_uid, submission.instances)
    _check_grant(submission)


def _check_uids(study_uid: str, instances: Sequence[InstanceRef]) -> None:
    """Nothing but digits and dots gets in where an alias is meant (PS3.5 §9.1)."""
    for item in instances:
        uids = (item.study_uid, item.series_uid, item.sop_uid, item.sop_class)
        if item.study_uid != study_uid or not all(_UID.fullmatch(uid) for uid in uids):
            raise BadMessage("instances: each with four UIDs, all of the study")
    if len({item.sop_uid for item in instances}) != len(instances):
        raise BadMessage("instances: one is named twice")


def _check_grant(submission: Submission) -> None:
    if not _GRANT.fullmatch(submission.grant):
        raise BadMessage("grant: 1 to 8192 printable characters")
    if submission.grant_expires_at.tzinfo is None:
        raise BadMessage("grant_expires_at: with a time zone")
    left = submission.grant_expires_at - datetime.now(UTC)
    if not timedelta(0) < left <= GRANT_MAX:
        raise BadMessage("grant_expires_at: in the future, and within 24 hours")
