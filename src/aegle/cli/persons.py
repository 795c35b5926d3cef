"""A person of a site who stands behind a command: proved by the account's own password, audited when refused."""

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from aegle import wiring
from aegle.access import Act
from aegle.cli.acts import record
from aegle.errors import Forbidden, Unauthenticated
from aegle.local.home import Home
from aegle.records import AuditOutcome
from aegle.site.folder import SiteFolder

if TYPE_CHECKING:
    from aegle.pages.accounts import SignIn

As = Annotated[str, typer.Option("--as", help="Your account at the site.")]
Password = Annotated[
    str, typer.Option(prompt="Your password at the site", hide_input=True, help="Asked for where it is not given.")
]
Second = Annotated[str, typer.Option("--with", help="The account of the second person, who is present.")]
SecondPassword = Annotated[
    str, typer.Option(prompt="Password of the second person", hide_input=True, help="Asked for where it is not given.")
]


def require_person(place: Home, site: str, person: str, password: str, act: Act) -> None:
    """Raises Unauthenticated for a wrong name or password, Forbidden where the role may not do this; each audited."""
    from aegle.local.accounts import SqliteAccounts  # here, for what they import costs every other command a second
    from aegle.pages.accounts import SignIn

    folder, kind = SiteFolder(root=place.site(site)), place.require_applied().site(site).config.kind
    with closing(SqliteAccounts(folder.accounts)) as accounts, wiring.site_secrets(place, site) as secrets:
        try:
            _require_may(SignIn(accounts, kind, secrets.get("page-key")), person, password, act)
        except (Unauthenticated, Forbidden) as error:
            record(place, act, AuditOutcome.REFUSED, site=site, principal="nobody", reason=error.meaning.code)
            raise


def has_accounts(place: Home, site: str) -> bool:
    """Whether anybody can sign in at the site."""
    from aegle.local.accounts import SqliteAccounts

    path = SiteFolder(root=place.site(site)).accounts
    if not path.exists():
        return False
    with closing(SqliteAccounts(path)) as accounts:
        return bool(accounts.all())


def _require_may(sign_in: "SignIn", person: str, password: str, act: Act) -> None:
    token, principal = sign_in.open(person, password)
    sign_in.close(token)
    if sign_in.must_change(principal):
        raise Forbidden("your password is a one-time password; choose one of your own on the site's pages first")
    if not principal.may(act):
        raise Forbidden(f"the role {principal.role.value} may not do this; an administrator of the site may")
