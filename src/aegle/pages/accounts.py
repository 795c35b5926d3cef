"""Accounts and sessions of people: what is stored of them, and signing in."""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from aegle.access import ROLES_OF, Principal, Role
from aegle.errors import BadMessage, Forbidden, Overloaded, Unauthenticated
from aegle.records import SiteKind

SESSION_LIFE = timedelta(hours=10)
_MOST_FAILURES = 5
_LOCK_SECONDS = 60.0
_SHORTEST_PASSWORD = 12
_LONGEST_PASSWORD = 1_000

_hasher = PasswordHasher()  # argon2id with the library's current parameters (RFC 9106)
_NOBODY = _hasher.hash(secrets.token_hex(16))  # an unknown name costs as much as a wrong password


@dataclass(frozen=True, kw_only=True)
class Account:
    """A person who may sign in."""

    name: str
    role: Role
    password_hash: str  #: argon2id
    one_time: bool = False  #: the password was given by somebody else: the person must choose another at once


class AccountStore(Protocol):
    """Where accounts and open sessions are kept. Session tokens are stored hashed; every change is durable on return."""

    def find(self, name: str) -> Account | None:
        """One account, None when unknown."""

    def all(self) -> Sequence[Account]:
        """Every account, by name."""

    def put(self, account: Account) -> None:
        """Add or replace an account; a replaced one's sessions end."""

    def remove(self, name: str) -> None:
        """Forget an account and end its sessions. Idempotent."""

    def open_session(self, token_hash: str, name: str, until: datetime) -> None:
        """Remember a session."""

    def session(self, token_hash: str) -> str | None:
        """The account name of a session that has not ended, else None."""

    def close_session(self, token_hash: str) -> None:
        """Forget a session."""


class SignIn:
    """Signs people in at one site or at the hub."""

    def __init__(self, store: AccountStore, kind: SiteKind | None, key: bytes) -> None:
        """`key` makes form tokens (CSRF); `kind` is None at the hub."""
        self.store, self.kind, self._key = store, kind, key
        self._failures: dict[str, tuple[int, float]] = {}
        self._turn = threading.Lock()

    def open(self, name: str, password: str) -> tuple[str, Principal]:
        """A new session token. Raises Unauthenticated (one message for every cause), Overloaded after five failures in a
        minute for one name."""
        self._check_lock(name)
        account = self.store.find(name)
        if not _is_password(account, password) or account is None:
            self._note_failure(name)
            raise Unauthenticated("The name or the password is not right.")
        self._failures.pop(name, None)
        token = secrets.token_urlsafe(32)
        self.store.open_session(_digest(token), account.name, datetime.now(UTC) + SESSION_LIFE)
        return token, self._principal(account)

    def principal(self, token: str) -> Principal | None:
        """Who holds this session, None when it has ended."""
        name = self.store.session(_digest(token)) if token else None
        account = self.store.find(name) if name else None
        return self._principal(account) if account else None

    def must_change(self, principal: Principal) -> bool:
        """Whether the person's password is a one-time password."""
        account = self.store.find(principal.name)
        return account is not None and account.one_time

    def change_password(self, principal: Principal, old: str, new: str) -> None:
        """Give a person the password they chose; every session of theirs ends. Raises Forbidden, BadMessage, Overloaded."""
        self._check_lock(principal.name)
        account = self.store.find(principal.name)
        if account is None or not _is_password(account, old):
            self._note_failure(principal.name)
            raise Forbidden("The present password is not right.")
        if old == new:
            raise BadMessage("The new password is the present one. Choose another.")
        self.store.put(replace(account, password_hash=_hashed(new), one_time=False))

    def close(self, token: str) -> None:
        """End a session."""
        self.store.close_session(_digest(token))

    def form_token(self, token: str) -> str:
        """What a form of this session must carry, so that another page cannot post it."""
        return hmac.new(self._key, b"form|" + token.encode(), hashlib.sha256).hexdigest()

    def is_form_token(self, token: str, given: str) -> bool:
        """Whether the form token is this session's."""
        return hmac.compare_digest(self.form_token(token), given)

    def _principal(self, account: Account) -> Principal:
        return Principal(name=account.name, role=account.role, kind=self.kind)

    def _check_lock(self, name: str) -> None:
        count, at = self._failures.get(name, (0, 0.0))
        if count >= _MOST_FAILURES and time.monotonic() - at < _LOCK_SECONDS:
            raise Overloaded("Too many wrong passwords for this name. Wait a minute, then try again.")

    def _note_failure(self, name: str) -> None:
        with self._turn:
            count, at = self._failures.get(name, (0, 0.0))
            fresh = time.monotonic() - at < _LOCK_SECONDS
            if len(self._failures) > 10_000:
                self._failures.clear()
            self._failures[name] = (count + 1 if fresh else 1, time.monotonic())


def new_account(name: str, role: Role, kind: SiteKind | None, password: str = "") -> tuple[Account, str]:
    """An account and its password, made at random where none is given. Raises BadMessage."""
    if role not in ROLES_OF[kind]:
        raise BadMessage(f"no role {role.value!r} here; one of {', '.join(ROLES_OF[kind])}")
    if not (0 < len(name) <= 64 and name.isprintable() and name == name.strip()):
        raise BadMessage("a name has 1 to 64 printable characters")
    password = password or secrets.token_urlsafe(12)
    return Account(name=name, role=role, password_hash=_hashed(password)), password


def _hashed(password: str) -> str:
    if not _SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
        raise BadMessage(f"A password has {_SHORTEST_PASSWORD} to {_LONGEST_PASSWORD} characters.")
    return _hasher.hash(password)


def _is_password(account: Account | None, password: str) -> bool:
    try:
        return _hasher.verify(account.password_hash if account else _NOBODY, password[:_LONGEST_PASSWORD])
    except VerificationError:
        return False


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
