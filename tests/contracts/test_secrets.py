"""The Secrets contract on every implementation: files, and Secret Manager by its double."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import live
import pytest
from google_double import Double, Token, running

from aegle.errors import BadMessage, NotFound, Overloaded, PeerUnreachable, Unreadable
from aegle.google import SecretManager, Session
from aegle.local.secrets import FileSecrets
from aegle.ports import Secrets

Made = Callable[..., Secrets]


@pytest.fixture
def double() -> Iterator[Double]:
    with running() as made:
        yield made


@pytest.fixture
def session(double: Double) -> Iterator[Session]:
    with httpx.Client() as client:
        yield Session(Token(double), client, wait=lambda seconds: None)


@pytest.fixture(params=["files", "google", pytest.param("live", marks=pytest.mark.live)])
def secrets(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Secrets]:
    """A store in which the secrets `vault-key` and `page-key` may be put."""
    if request.param == "live":
        with live.project() as place, live.secret_manager(place, "vault-key", "page-key") as found:
            yield found
        return
    if request.param == "files":
        yield FileSecrets(tmp_path / "secrets")
        return
    double: Double = request.getfixturevalue("double")
    double.secrets |= {f"projects/p/secrets/st-anna-{name}": [] for name in ("vault-key", "page-key")}
    yield SecretManager(request.getfixturevalue("session"), "p", "st-anna", f"{double.url}/v1")


def test_a_value_is_read_back_as_it_was_put(secrets: Secrets) -> None:
    value = bytes(range(256))
    secrets.put("vault-key", value)
    assert secrets.get("vault-key") == value


def test_the_newest_value_is_current_and_older_ones_stay_readable(secrets: Secrets) -> None:
    for value in (b"one", b"two", b"three"):
        secrets.put("vault-key", value)
    assert secrets.get("vault-key") == b"three"
    assert list(secrets.versions("vault-key")) == [b"three", b"two", b"one"]


def test_more_than_nine_versions_are_ordered_by_number(secrets: Secrets) -> None:
    for number in range(12):
        secrets.put("vault-key", str(number).encode())
    assert secrets.versions("vault-key")[0] == b"11"


def test_a_name_that_is_not_there_is_not_found_and_has_no_versions(secrets: Secrets) -> None:
    with pytest.raises(NotFound):
        secrets.get("nobody")
    assert list(secrets.versions("nobody")) == []


def test_names_do_not_reach_each_other(secrets: Secrets) -> None:
    secrets.put("vault-key", b"vault")
    secrets.put("page-key", b"page")
    assert (secrets.get("vault-key"), secrets.get("page-key")) == (b"vault", b"page")


@pytest.mark.parametrize("name", ["", "../vault-key", "Vault", "a/b", "x" * 65])
def test_what_is_no_name_is_refused(secrets: Secrets, name: str) -> None:
    with pytest.raises(BadMessage):
        secrets.get(name)
    with pytest.raises(BadMessage):
        secrets.put(name, b"value")


@pytest.fixture
def manager(double: Double, session: Session) -> SecretManager:
    double.secrets["projects/p/secrets/st-anna-vault-key"] = [b"one", b"two"]
    return SecretManager(session, "p", "st-anna", f"{double.url}/v1")


def test_a_busy_service_is_asked_again_and_gives_up_after_five_times(manager: SecretManager, double: Double) -> None:
    double.fail = [503, 429, 500, 503]
    assert manager.get("vault-key") == b"two"
    double.fail = [429] * 5
    with pytest.raises(Overloaded):
        manager.get("vault-key")


def test_a_token_that_no_longer_holds_is_renewed_once(manager: SecretManager, double: Double) -> None:
    manager.get("vault-key")
    double.revoke()
    assert manager.get("vault-key") == b"two"


def test_a_value_damaged_on_its_way_is_not_used(manager: SecretManager, double: Double) -> None:
    double.damage = True
    with pytest.raises(Unreadable):
        manager.get("vault-key")


def test_a_disabled_version_is_not_among_the_readable_ones(manager: SecretManager, double: Double) -> None:
    double.disabled = {"projects/p/secrets/st-anna-vault-key/versions/2"}
    assert list(manager.versions("vault-key")) == [b"one"]


def test_no_answer_at_all_may_be_tried_later(double: Double) -> None:
    with httpx.Client() as client:
        session = Session(Token(double), client, wait=lambda seconds: None)
        with pytest.raises(PeerUnreachable):
            SecretManager(session, "p", "st-anna", "http://127.0.0.1:1/v1").get("vault-key")
