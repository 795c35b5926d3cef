"""The conformance statement: what is done under each option, row by row of PS3.15 Table E.1-1, as Markdown from the data."""

from collections.abc import Iterator, Mapping

from aegle.deid import safe_private
from aegle.deid.classes import CLASSES
from aegle.deid.profile import default_profile
from aegle.deid.rules import LABELS, Action, Rule, compile_rules
from aegle.deid.table import CLEAN_PIXELS, DEFAULT_OPTIONS, METHOD_CODES, Option, ranges, rows

_DONE: Mapping[Action, str] = {
    Action.KEEP: "kept; a text once its words are decided, and without the object's own identifiers",
    Action.REMOVE: "removed",
    Action.EMPTY: "emptied",
    Action.DUMMY: "replaced by a value that is the same for everybody",
    Action.UID: "replaced by the UID's pseudonym, the same wherever the UID stands; UIDs of the standard stay",
    Action.SHIFT: "a date moved by the patient's days, a time by the patient's minutes, past midnight with the date beside it",
    Action.TOKEN: "replaced by a keyed token, so that equal values stay equal",
    Action.PATIENT: "the patient's alias",
    Action.AGE: "kept; ages over 89 years read 090Y",
    Action.ENTER: "a sequence that stays: each attribute inside follows its own rule",
}
_OPTIONS: Mapping[Option, str] = {
    Option.MODIFIED_DATES: "`C` moves dates by days, times by minutes. Else (a time zone, bytes) as in the basic profile.",
    Option.FULL_DATES: "`K` keeps dates and times. Not together with `modified_dates`.",
    Option.STRUCTURED: "`C` enters the sequence. Text values of content items, and names in them, are replaced all the same: "
    "by a token where they name a thing (a specimen, its container, a lesion, what is tracked), so that items still name each "
    "other.",
    Option.UIDS: "`K` keeps UIDs, also those that no row lists.",
    Option.DEVICE: "`K` and `C` keep text once its words are decided; sequences are entered.",
    Option.INSTITUTION: "`K` keeps text once its words are decided; sequences are entered.",
    Option.PATIENT: "`K` and `C` keep text once its words are decided.",
    Option.DESCRIPTORS: "`C` keeps text once its words are decided; sequences are entered; bytes are removed.",
    Option.GRAPHICS: "`C` enters graphic annotations, whose texts follow their own row, and keeps overlays in which nothing "
    "that is written is seen: lines, crosses, and outlines or regions without bays, each apart from the others. Every other "
    "overlay goes, and so do curves.",
    Option.SAFE_PRIVATE: "`C` keeps what Table E.3.10-1 lists, by its private creator: numbers, text once its words are decided, "
    "sequences entered, UIDs replaced; bytes are removed, and whatever the table gives no VR. What an object says of its own "
    "private attributes (0008,0300) counts for nothing.",
}
#: Of the table's rows for many tags, what the options make of them.
_MANY: Mapping[str, str] = {
    "60XX3000": "kept where nothing written is seen in it",
    "60XX4000": "kept with its overlay, once its words are decided",
    "private": "kept where Table E.3.10-1 lists it, see there",
}


def statement() -> str:
    """The body of the page; the title is the caller's."""
    parts = (_actions(), _options(), _unlisted(), _classes(), _ranges(), _private(), _rows())
    return "".join(line + "\n" for part in parts for line in part)


def _actions() -> Iterator[str]:
    yield "\n## What is done to an attribute\n"
    yield "| word | what it means |\n|---|---|"
    for action, text in _DONE.items():
        yield f"| {action} | {text} |"
    yield "\nA compound code takes the choice that is right whatever the attribute's Type: `X/Z` is emptied (a sequence that"
    yield "need not be there is removed), `X/D`, `Z/D` and `X/Z/D` get a dummy value, `X/Z/U*` is entered. An attribute under"
    yield "another VR than its own, and prose under a VR of numbers, dates or UIDs, is emptied."


def _options() -> Iterator[str]:
    yield "\n## Options\n"
    yield "| option | code in (0012,0064) | here | what is done |\n|---|---|---|---|"
    for option in Option:
        code, meaning = METHOD_CODES[option]
        state = "default" if option in DEFAULT_OPTIONS else "by choice, two people"
        yield f"| `{option}` | {code} {meaning} | {state} | {_OPTIONS[option]} |"
    code, meaning = METHOD_CODES[CLEAN_PIXELS]
    yield f"| pixel rules | {code} {meaning} | by rule, two people | Stated in an object whose pixels were painted over. |"
    yield "| recognizable features | 113102 Clean Recognizable Visual Features Option | not offered | Such objects are held. |"
    yield "\nBytes (OB, UN) follow the basic profile under every option: they can be neither read nor cleaned. Where one option"
    yield "keeps a date and another moves it, it is moved."


def _unlisted() -> Iterator[str]:
    listed = {row.tag for row in rows()}
    counts: dict[Action, int] = {}
    for tag, rule in default_profile().rules.items():
        if tag not in listed:
            counts[rule.action] = counts.get(rule.action, 0) + 1
    yield "\n## Attributes that the table does not list\n"
    yield "Private and unknown attributes, group lengths, digital signatures and everything else without a rule are removed. The"
    told = ", ".join(f"{count} {action}" for action, count in sorted(counts.items()))
    yield f"standard's other attributes ({told})"
    yield "follow their VR: UIDs are mapped, dates and times moved, names and text (PN, LO, SH, LT, ST, UT, UC, UR, AE) removed"
    yield "but for words of how the picture was made or the beam is shaped, numbers and coded strings (CS) kept. Words that are"
    yield "kept are decided once; a label that people type for one patient, and that no list knows, is replaced by a token:"
    yield f"{', '.join(sorted(LABELS))}. Waveform Data stay in waveform objects alone."


def _classes() -> Iterator[str]:
    yield "\n## Kinds of object\n"
    yield "Every other SOP class is held.\n"
    yield "| SOP class | UID | text in the picture |\n|---|---|---|"
    for uid, row in CLASSES.items():
        yield f"| {row.name} | {uid} | {row.risk} |"


def _ranges() -> Iterator[str]:
    yield "\n## Rows for many tags\n"
    yield "| tags | name | basic | options | done | under the option |\n|---|---|---|---|---|---|"
    for row in ranges():
        options = ", ".join(f"{option} {code}" for option, code in row.options.items())
        yield f"| {row.tags} | {row.name} | {row.basic} | {options} | remove | {under_option(row.tags)} |"


def under_option(tags: str) -> str:
    """What becomes of a row for many tags where the option that speaks of it is chosen."""
    return _MANY.get(tags, Action.REMOVE)


def _private() -> Iterator[str]:
    yield "\n## Private attributes under `safe_private`\n"
    yield "PS3.15 Table E.3.10-1, edition 2026d. Words are decided under the tag and the creator, as they stand here.\n"
    yield "| tag | private creator | VR | done |\n|---|---|---|---|"
    for row in safe_private.rows():
        yield f"| {row.tag} | {row.creator} | {row.vr} | {row.action.value} |"


def _rows() -> Iterator[str]:
    basic = compile_rules(frozenset())
    alone = {option: compile_rules(frozenset({option})) for option in Option}
    default = default_profile().rules
    yield "\n## Row by row\n"
    yield "*Basic* is the table's code and what it comes to. An option's cell has the table's code and what is done under this"
    yield "option alone; an empty cell is the basic profile's. *Default* is what the default profile does.\n"
    columns = ("tag", "keyword", "basic", *alone, "default")
    yield f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}"
    for row in rows():
        cells = [_cell(row.options.get(option, ""), rules.get(row.tag)) for option, rules in alone.items()]
        own = f"{row.basic} {_word(basic.get(row.tag))}"
        tag = f"({row.tag >> 16:04X},{row.tag & 0xFFFF:04X})"
        yield f"| {tag} | {row.keyword} | {own} | {' | '.join(cells)} | {_word(default.get(row.tag))} |"


def _cell(code: str, rule: Rule | None) -> str:
    return f"{code} {_word(rule)}" if code else ""


def _word(rule: Rule | None) -> str:
    """What is done; attributes of messages and of the file meta group are never in a data set that is written."""
    return rule.action.value if rule else "remove"
