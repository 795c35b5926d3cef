"""Which profile a command de-identifies by, once its words are read. Apart from `chosen`, which reads them."""

from pathlib import Path

from aegle.cli.telling import tell
from aegle.deid.profile import CUSTOM_NAME, Profile, configured, default_profile, profile
from aegle.deid.table import DEFAULT_OPTIONS, Option
from aegle.errors import BadMessage


def chosen(options: list[Option] | None, path: Path | None) -> Profile:
    """The profile that a command's options name. Raises BadMessage, BadConfig."""
    if path is not None:
        if options:
            raise BadMessage("name a profile file, or options, not both")
        from aegle import config  # takes a fifth of a second, and the default profile needs none of it

        return configured(config.read_profile(path))
    if not options or frozenset(options) == DEFAULT_OPTIONS:
        return default_profile()
    return profile(CUSTOM_NAME, frozenset(options))


def warn(rules: Profile) -> None:
    """Say that a profile is weaker than the default one, where it is."""
    if rules.weaker_by:
        tell(
            f"This profile lets more out than the default one: {', '.join(rules.weaker_by)}. "
            "The report and every object say so.",
            plain=True,
        )
