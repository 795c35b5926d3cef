"""A profile: the options chosen, the rules they come to, and one digest that names the whole."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from aegle.deid.classes import CLASSES, WAVEFORMS
from aegle.deid.masks import Box, Keep, PixelRule, frames_named
from aegle.deid.overlays import overlay_rules
from aegle.deid.pseudonyms import Pseudonyms
from aegle.deid.rules import WAVEFORMS_OWN, Rule, compile_rules
from aegle.deid.safe_private import Private, safe_private
from aegle.deid.second_look import Looking
from aegle.deid.table import DEFAULT_OPTIONS, EDITION, Option
from aegle.errors import BadConfig

if TYPE_CHECKING:
    from aegle import config
    from aegle.config import Deid

DEFAULT_NAME, CUSTOM_NAME = "aegle-basic", "aegle-custom"
NAME = re.compile(r"[a-z0-9-]{1,32}")


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What de-identification does at a site."""

    name: str
    options: frozenset[Option]
    rules: Mapping[int, Rule]  #: tag -> rule; a tag that is not here is removed
    pixel_rules: tuple[PixelRule, ...]  #: what is known of devices' pictures
    looking: Looking  #: which pictures a text detector looks at before they leave
    digest: str  #: SHA-256 over edition, options, rules, pixel rules, admitted SOP classes and what is looked at

    def __hash__(self) -> int:
        """By its digest: rules cannot be hashed."""
        return hash(self.digest)

    def rules_of(self, sop_class: str) -> Mapping[int, Rule]:
        """The rules for one kind of object: Waveform Data, and what is said of their samples, stay where they are no sound."""
        return self.rules if sop_class in WAVEFORMS else self._without_waveforms

    @cached_property
    def private(self) -> Private:
        """The rules of private attributes; none but under their option."""
        return safe_private() if Option.SAFE_PRIVATE in self.options else {}

    @cached_property
    def overlays(self) -> Mapping[int, Rule]:
        """The rules of overlays that are clean; none but under their option."""
        return overlay_rules() if Option.GRAPHICS in self.options else {}

    @cached_property
    def _without_waveforms(self) -> Mapping[int, Rule]:
        return MappingProxyType({tag: rule for tag, rule in self.rules.items() if tag not in WAVEFORMS_OWN})

    @property
    def weaker_by(self) -> tuple[str, ...]:
        """What lets more out than the default profile does; empty for one as strict or stricter."""
        options = (option.value for option in Option if option in self.options - DEFAULT_OPTIONS)
        unseen = ("no second look at pictures",) if self.looking is Looking.NONE else ()
        return (*options, *unseen, *(f"pictures of {rule.told}" for rule in self.pixel_rules))

    def naming(self, pseudonyms: Pseudonyms) -> Pseudonyms:
        """The pseudonyms under this profile: where UIDs are retained, a UID is its own alias."""
        return pseudonyms.with_own_uids if Option.UIDS in self.options else pseudonyms


def default_profile() -> Profile:
    """Basic profile with clean structured content and modified dates."""
    return profile(DEFAULT_NAME, DEFAULT_OPTIONS)


def configured(settings: "Deid") -> Profile:
    """The profile of a site's settings or of a profile file. Raises BadConfig for one that cannot be used."""
    options = frozenset(Option(name) for name in settings.options)
    rules = tuple(_pixel_rule(rule) for rule in settings.pixels)
    looking = Looking(settings.second_look)
    usual = options == DEFAULT_OPTIONS and not rules and looking is Looking.UNVOUCHED
    return profile(settings.name or (DEFAULT_NAME if usual else CUSTOM_NAME), options, rules, looking)


def with_pixel_rules(agreed: Profile, rules: tuple[PixelRule, ...]) -> Profile:
    """A profile with what the people of a site found out about devices' pictures, which goes before its own rules."""
    return profile(agreed.name, agreed.options, (*rules, *agreed.pixel_rules), agreed.looking)


def _pixel_rule(settings: "config.PixelRule") -> PixelRule:
    columns, rows = (int(number) for number in (settings.size or "0x0").split("x"))
    return PixelRule(
        manufacturer=settings.manufacturer,
        model=settings.model,
        modality=settings.modality,
        columns=columns,
        rows=rows,
        keep=Keep(settings.keep),
        boxes=tuple(_boxes(settings)),
        by=settings.by,
    )


def _boxes(settings: "config.PixelRule") -> Iterator[Box]:
    """The boxes of all frames, and of those that are named."""
    yield from (Box(*box) for box in settings.mask)
    for mask in settings.frame_masks:
        frames = frames_named(mask.frames)
        if frames is None:
            raise BadConfig(f"{mask.frames!r} names no frames: first, last, 7, 2-9 or 2-last")
        yield from (Box(*box, *frames) for box in mask.mask)


def profile(
    name: str,
    options: frozenset[Option],
    pixel_rules: tuple[PixelRule, ...] = (),
    looking: Looking = Looking.UNVOUCHED,
) -> Profile:
    """The profile with these options, compiled once.

    Raises BadConfig when dates are asked for both in full and modified."""
    if not NAME.fullmatch(name):
        raise BadConfig("a profile's name has 1 to 32 of a-z, 0-9 and hyphen: it is written into every object")
    if {Option.FULL_DATES, Option.MODIFIED_DATES} <= options:
        raise BadConfig("choose full_dates or modified_dates, not both")
    return _compiled(name, options, pixel_rules, looking)


@cache
def _compiled(name: str, options: frozenset[Option], pixel_rules: tuple[PixelRule, ...], looking: Looking) -> Profile:
    made = Profile(
        name=name,
        options=options,
        rules=MappingProxyType(compile_rules(options)),
        pixel_rules=pixel_rules,
        looking=looking,
        digest="",
    )
    return replace(made, digest=_digest(made))


def _digest(made: Profile) -> str:
    lines = [f"edition {EDITION}", *(f"option {option}" for option in sorted(made.options))]
    lines += _told(made.rules, "{:08X}")
    lines += _told(made.overlays, "{:08X}")
    for (group, creator), rules in sorted(made.private.items()):
        lines += _told(rules, f"{group:04X}xx{{:02X}} {creator.decode()}")
    lines += [f"pixels {rule}" for rule in made.pixel_rules]
    lines += [f"class {uid} {row.risk}" for uid, row in sorted(CLASSES.items())]
    lines += [f"second look {made.looking}"]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _told(rules: Mapping[int, Rule], tag_form: str) -> list[str]:
    return [f"{tag_form.format(tag)} {rule.action} {rule.vr.decode()}" for tag, rule in sorted(rules.items())]
