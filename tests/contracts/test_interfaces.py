"""The doubles of BigQuery, Storage, Monitoring and Cloud SQL speak what Google itself describes, and notice what does not."""

import json
import os

import discovery
import httpx
import pytest
from cloud_double import clouded
from discovery import Interface


def described(service: str) -> Interface:
    found = discovery.interface(service)
    if found is None:
        require = pytest.fail if os.environ.get("AEGLE_REQUIRE_PEERS") else pytest.skip
        require("the wheel of google-api-python-client is not downloaded; `make providers` fetches it")
    return found


GOOD = {"query": "SELECT 1", "useLegacySql": False, "location": "europe-west4", "maximumBytesBilled": "1"}


def test_a_call_that_google_describes_is_taken() -> None:
    found = described("bigquery")
    path, answer = "bigquery/v2/projects/p/queries", b'{"jobComplete": true, "totalRows": "0"}'
    assert not list(found.check("POST", path, {}, json.dumps(GOOD).encode(), answer))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"legacySql": False}, "QueryRequest has no legacySql"),
        ({"useLegacySql": "false"}, "not boolean"),
        ({"maximumBytesBilled": "much"}, "not int64"),
        ({"queryParameters": [{"name": "a", "parameterType": {"kind": "INT64"}}]}, "QueryParameterType|has no kind"),
    ],
)
def test_what_google_does_not_know_is_noticed(change: dict[str, object], words: str) -> None:
    found = list(described("bigquery").against("QueryRequest", GOOD | change))
    assert len(found) == 1
    assert any(part in found[0] for part in words.split("|"))


def test_a_path_and_a_parameter_of_its_own_are_noticed() -> None:
    storage = described("storage")
    assert list(storage.check("GET", "storage/v1/b/x/objects", {}, b"", b"{}")) == [
        "there is no GET storage/v1/b/x/objects"
    ]
    (found,) = storage.check("GET", "storage/v1/b/x/o", {"begins": ["a"]}, b"", b'{"items": []}')
    assert found.endswith("has no parameter begins")


def test_the_double_refuses_what_google_would() -> None:
    described("monitoring")
    with clouded() as cloud:
        headers = {"Authorization": f"Bearer {cloud.give('aegle-hub@p.iam.gserviceaccount.com')}"}
        answer = httpx.post(f"{cloud.url}/monitoring/v3/projects/p/timeSeries", json={"series": []}, headers=headers)
    assert answer.status_code == 400 and "CreateTimeSeriesRequest has no series" in answer.text
