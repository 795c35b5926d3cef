"""The values that stand for an object's own: aliases of UIDs and patients, tokens, moved dates."""

import re
from collections.abc import Callable, Mapping, Sequence

from aegle.deid.dates import moved
from aegle.deid.identifiers import texts
from aegle.deid.placeholders import names_nobody
from aegle.deid.pseudonyms import Pseudonyms, is_public
from aegle.deid.rules import Action, Rule
from aegle.deid.subject import NOBODY, Subject, own

_AGE = re.compile(r"[0-9]{3}[DWMY]")


class Replacements:
    """Of one object."""

    def __init__(
        self,
        pseudonyms: Pseudonyms,
        patient_alias: str,
        character_set: Sequence[str],
        zone: int | None = None,
        subject: Subject = NOBODY,
    ) -> None:
        """`zone` is how many minutes the object's local time is ahead of UTC, where that is known."""
        self._pseudonyms = pseudonyms
        self._patient_alias, self._subject = patient_alias, subject
        self.character_set = character_set
        self.shift = pseudonyms.shift(patient_alias)
        self._zone = zone
        self._by_action: Mapping[Action, Callable[[Rule, bytes], bytes]] = {
            Action.SHIFT: self._shifted,
            Action.TOKEN: lambda _, raw: self.token(raw),
            Action.PATIENT: self._patient,
            Action.AGE: _not_over_90,
        }

    def value(self, rule: Rule, raw: bytes, uids: dict[str, str]) -> bytes:
        """What stands for a raw value under a rule that replaces. A UID's alias is put into `uids`, with its original."""
        return self._mapped(raw, uids) if rule.action is Action.UID else self._by_action[rule.action](rule, raw)

    def kept_uids(self, raw: bytes) -> dict[str, str]:
        """UIDs that an option keeps are their own aliases."""
        parts = (part.strip(" \0") for part in raw.decode("latin-1").split("\\"))
        return {part: part for part in parts if not is_public(part)}

    def _mapped(self, raw: bytes, uids: dict[str, str]) -> bytes:
        originals = [part.strip(" \0") for part in raw.decode("latin-1").split("\\")]
        aliases = [self._pseudonyms.uid(original) for original in originals]
        pairs = zip(aliases, originals, strict=True)
        uids.update((alias, original) for alias, original in pairs if not is_public(original))
        return "\\".join(aliases).encode()

    def _shifted(self, rule: Rule, raw: bytes) -> bytes:
        return moved(rule.vr.decode(), raw.decode("latin-1").strip("\0 "), self.shift, self._zone).encode("latin-1")

    def token(self, raw: bytes) -> bytes:
        """14 hexadecimal digits for what names a thing; nothing for nothing."""
        text = raw.decode("latin-1").strip(" \0")
        return self._pseudonyms.token(text).encode() if text else b""

    def _patient(self, rule: Rule, raw: bytes) -> bytes:
        """Below the top level: the object's own patient keeps the alias, another one there gets one of its own; of several in
        an object who have a placeholder for an ID nothing tells whether they are one."""
        text = own(texts(raw, self.character_set))
        if text == (self._subject.name if rule.vr == b"PN" else self._subject.patient_id):
            alias = self._patient_alias
        else:
            alias = self._pseudonyms.patient_id(text, self._patient_alias if names_nobody(text) else "")
        return (f"{alias}^" if rule.vr == b"PN" else alias).encode() if text else b""


def _not_over_90(rule: Rule, raw: bytes) -> bytes:
    """Ages over 89 years as one of 90, as 45 CFR 164.514(b)(2)(i)(C) wants them; what is no age becomes empty.

    Other units need no bound: 999 months are 83 years."""
    ages = raw.decode("latin-1").strip("\0 ").split("\\")
    if not all(map(_AGE.fullmatch, ages)):
        return b""
    return "\\".join("090Y" if age > "089Y" and age.endswith("Y") else age for age in ages).encode()
