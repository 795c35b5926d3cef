"""A profile: the options chosen, the rules they come to, and one digest that names the whole."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from aegle.deid.classes import CLASSES
from aegle.deid.masks import PixelRule
from aegle.deid.rules import Rule, compile_rules
from aegle.deid.table import EDITION, Option
from aegle.errors import BadConfig


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What de-identification does at a site."""

    name: str
    options: frozenset[Option]
    rules: Mapping[int, Rule]  #: tag -> rule; a tag that is not here is removed
    pixel_rules: tuple[PixelRule, ...]  #: what is known of devices' pictures
    digest: str  #: SHA-256 over edition, options, rules, pixel rules and admitted SOP classes


def default_profile() -> Profile:
    """Basic profile with clean structured content and modified dates."""
    return profile("aegle-basic", frozenset({Option.STRUCTURED, Option.MODIFIED_DATES}))


@cache
def profile(name: str, options: frozenset[Option], pixel_rules: tuple[PixelRule, ...] = ()) -> Profile:
    """The profile with these options. Raises BadConfig when dates are asked for both in full and modified."""
    if {Option.FULL_DATES, Option.MODIFIED_DATES} <= options:
        raise BadConfig("choose full_dates or modified_dates, not both")
    rules = compile_rules(options)
    digest = _digest(options, rules, pixel_rules)
    return Profile(name=name, options=options, rules=MappingProxyType(rules), pixel_rules=pixel_rules, digest=digest)


def _digest(options: frozenset[Option], rules: Mapping[int, Rule], pixel_rules: tuple[PixelRule, ...]) -> str:
    lines = [f"edition {EDITION}", *(f"option {option}" for option in sorted(options))]
    lines += [f"{tag:08X} {rule.action} {rule.vr.decode()}" for tag, rule in sorted(rules.items())]
    lines += [f"pixels {rule}" for rule in pixel_rules]
    lines += [f"class {uid} {row.risk}" for uid, row in sorted(CLASSES.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
