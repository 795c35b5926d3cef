"""Which profile a command de-identifies by, once its words are read. Apart from `chosen`, which reads them."""

from pathlib import Path

from aegle.cli.telling import tell
from aegle.deid.profile import CUSTOM_NAME, Profile, configured, default_profile, profile
from aegle.deid.second_look import Looking
from aegle.deid.table import DEFAULT_OPTIONS, Option
from aegle.errors import BadMessage


def chosen(options: list[Option] | None, path: Path | None, looking: Looking | None = None) -> Profile:
    """The profile that a command's options name: the default one with these options turned on, or a file's. `looking` goes
    before what either says of the second look. Raises BadMessage, BadConfig."""
    if path is not None:
        if options:
            raise BadMessage("name a profile file, or options, not both")
        from aegle import config  # takes a fifth of a second, and the default profile needs none of it

        return _looking(configured(config.read_profile(path)), looking)
    wanted = frozenset(options or ())
    if wanted <= DEFAULT_OPTIONS:
        return _looking(default_profile(), looking)
    instead = {Option.MODIFIED_DATES} if Option.FULL_DATES in wanted and Option.MODIFIED_DATES not in wanted else set()
    return _looking(profile(CUSTOM_NAME, wanted | DEFAULT_OPTIONS - instead), looking)


def _looking(rules: Profile, looking: Looking | None) -> Profile:
    return rules if looking is None else profile(rules.name, rules.options, rules.pixel_rules, looking)


def warn(rules: Profile) -> None:
    """Say that a profile is weaker than the default one, where it is."""
    if rules.weaker_by:
        tell(
            f"This profile lets more out than the default one: {', '.join(rules.weaker_by)}. "
            "The report and every object say so.",
            plain=True,
        )
