"""Two people for a weaker profile: one of the site proposes it, another agrees. One JSON file in the site's folder.

The agreement is to a digest, so to every rule of the profile: another edition or option is another agreement. Who may sign
in, and that both are different people, is the caller's to prove; whoever owns the machine can write the file, and the audit
trail is where that would not fit.
"""

import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from aegle import api, durable
from aegle.deid.profile import Profile
from aegle.errors import BadConfig, BadMessage, Conflict, Forbidden, NotFound

FILE = "agreements.json"  #: below a site's folder
_turn = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """One profile that was proposed for a site, and by whom it was agreed."""

    digest: str
    name: str
    options: tuple[str, ...]
    weaker_by: tuple[str, ...] = ()  #: what it lets out beyond the default, in words: what is agreed to
    reason: str
    proposed_by: str
    proposed_at: datetime
    agreed_by: str = ""
    agreed_at: datetime | None = None


class Agreements:
    """What the people of one site proposed and agreed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> list[Agreement]:
        """Every proposal, oldest first."""
        return api.decode(list[Agreement], self._path.read_bytes()) if self._path.exists() else []

    def propose(self, profile: Profile, by: str, reason: str) -> Agreement:
        """Write a proposal down; durable. Raises BadMessage without a reason, Conflict for a profile that needs no agreement
        or has one."""
        if not reason.strip():
            raise BadMessage("say why the site needs it: the reason is empty, and the second person decides by it")
        if not profile.weaker_by:
            raise Conflict("this profile is as strict as the default one; it needs nobody's agreement")
        if self.holds(profile):
            raise Conflict("this profile was agreed before; put it into aegle.yaml and run aegle apply")
        made = Agreement(
            digest=profile.digest,
            name=profile.name,
            options=tuple(sorted(profile.options)),
            weaker_by=profile.weaker_by,
            reason=reason,
            proposed_by=by,
            proposed_at=datetime.now(UTC),
        )
        self._put(made)
        return made

    def agree(self, digest: str, by: str) -> Agreement:
        """Agree to what somebody else proposed; durable. `digest` may be cut to its first digits.

        Raises NotFound, and Forbidden for the proposer."""
        found = [item for item in self.all() if item.digest.startswith(digest)] if len(digest) >= 8 else []
        if len(found) != 1:
            raise NotFound("no proposal with this digest; `aegle deid profile proposals` lists them")
        if found[0].proposed_by == by:
            raise Forbidden("whoever proposed a profile cannot agree to it: it takes another person")
        agreed = replace(found[0], agreed_by=by, agreed_at=datetime.now(UTC))
        self._put(agreed)
        return agreed

    def holds(self, profile: Profile) -> bool:
        """Whether two people stand behind exactly these rules, or the profile needs none."""
        return not profile.weaker_by or any(item.digest == profile.digest and item.agreed_by for item in self.all())

    def require(self, profile: Profile, site: str) -> None:
        """Raises BadConfig for a weaker profile that nobody agreed to, with what to type."""
        if not self.holds(profile):
            raise BadConfig(
                f"sites.{site}.deid lets more out than the default ({', '.join(profile.weaker_by)}) and two people of the "
                f"site must agree first: aegle deid profile propose --site {site} --as NAME, then agree --as ANOTHER. "
                f"Profile {profile.digest[:16]}"
            )

    def _put(self, item: Agreement) -> None:
        with _turn:
            others = [other for other in self.all() if other.digest != item.digest]
            durable.write(self._path, api.encode([*others, item], list[Agreement]))
