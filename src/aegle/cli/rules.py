"""`aegle quarantine fix|rules|forget-rule`: what a site's people know of a device's pictures, put into rules and taken back."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated

import typer

from aegle.access import Act
from aegle.cli.acts import record, refusals_told
from aegle.cli.persons import As, Password, Second, SecondPassword, require_person
from aegle.cli.places import HOME, HomePath
from aegle.cli.quarantined import Name, SiteName, device_of_entry, quarantine_of, site_of
from aegle.cli.terminal import listed, terminal
from aegle.deid import Decision, HoldReason
from aegle.deid.masks import Box, Device, Keep, PixelRule, frames_named
from aegle.deid.pixel_book import PixelBook, name_of
from aegle.deid.profile import configured
from aegle.deid.value_book import ValueBook
from aegle.errors import BadMessage, Conflict, Forbidden, NotFound
from aegle.intake.quarantine import Settlement
from aegle.local.home import Home
from aegle.site.folder import SiteFolder

console = terminal()
_HELPED = (HoldReason.BURNED_IN_RISK, HoldReason.TEXT_SUSPECTED)


def register(app: typer.Typer) -> None:
    """Add these commands to the group `quarantine`."""
    app.command()(fix)
    app.command("rules")(show_rules)
    app.command()(forget_rule)


def fix(
    name: Name,
    site: SiteName,
    person: As,
    second: Second,
    password: Password,
    second_password: SecondPassword,
    keep: Annotated[Keep, typer.Option(help="What of this device's pictures may leave.")],
    boxes: Annotated[
        list[str] | None,
        typer.Option(
            "--box",
            help="LEFT,TOP,WIDTH,HEIGHT in pixels, painted over in every frame, or in those after an @: "
            "0,0,640,480@first, @last, @7, @2-9, @2-last. Repeat it.",
        ),
    ] = None,
    any_size: Annotated[bool, typer.Option("--any-size", help="For pictures of every size of this device.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also where it takes the place of an earlier rule, which is told first.")
    ] = False,
    home_path: HomePath = HOME,
) -> None:
    """Say what the device of an object held as BURNED_IN_RISK or TEXT_SUSPECTED burns in; holds for every picture of it from
    now on.

    Two people stand behind a rule, and are named in it: look at the device's pictures first, at many of them. What waits
    for the same rule is tried again.
    Example: `aegle quarantine fix 0f82… --site st-anna --keep unmasked --box 0,0,640,40 --as anna --with omar`
    """
    place, folder = site_of(home_path, site)
    if person == second:
        raise Forbidden("a second person must stand behind the rule: --with somebody else")
    require_person(place, site, person, password, Act.SITE_RULE_ADD)
    require_person(place, site, second, second_password, Act.SITE_RULE_ADD)
    quarantine, book = quarantine_of(place, site), PixelBook(folder.pixel_rules)
    with refusals_told(place, Act.SITE_RULE_ADD, site=site, subject=name, principal=f"user:{person}"):
        entry = quarantine.entry(name)
        _require_helped(entry.reason, keep)
        device = device_of_entry(folder, quarantine, entry)
        people = f"{person} with {second}, {datetime.now(UTC):%Y-%m-%d}"
        rule = _rule(device, keep, boxes or [], people, any_size=any_size)
        before = book.in_place_of(rule)
        if before is not None and not replace:
            raise Conflict(
                f"this would take the place of rule {name_of(before)}: {_said(before)}, by {before.by}. "
                "Add --replace to let it"
            )
        book.add(rule)
    for who in (person, second):
        if before is not None:
            _tell(place, site, folder, Act.SITE_RULE_REMOVE, before, who, name)
        _tell(place, site, folder, Act.SITE_RULE_ADD, rule, who, name)
    waiting = [item for item in quarantine.entries() if item.reason is entry.reason and item.state is Settlement.OPEN]
    fitting = [item for item in waiting if (made := device_of_entry(folder, quarantine, item)) and rule.fits(made)]
    for item in fitting:
        quarantine.settle(item.entry_id, Settlement.RELEASED, person)
    console.print(
        f"Rule {name_of(rule)} holds: {_said(rule)}. {len(fitting)} object(s) are tried again by the site's program."
    )


def show_rules(site: SiteName, home_path: HomePath = HOME) -> None:
    """List the pixel rules of a site in the order in which they are asked, its own first, then those of its profile.

    Example: `aegle quarantine rules --site st-anna`
    """
    place, folder = site_of(home_path, site)
    record(place, Act.SITE_QUARANTINE_VIEW, site=site)
    rows = [
        (name_of(rule) if own else "in aegle.yaml", rule.manufacturer, rule.model, rule.modality or "any", _size(rule),
         _said(rule), rule.by)
        for own, rule in _all(place, site, folder)
    ]  # fmt: skip
    heads = ("rule", "manufacturer", "model", "modality", "size", "lets out", "by")
    console.print(listed(heads, rows, whole=("rule",)) if rows else "There is no rule: what may hold text is held.")


def forget_rule(
    rule_name: Annotated[str, typer.Argument(metavar="RULE", help="Its name in `aegle quarantine rules`.")],
    site: SiteName,
    person: As,
    password: Password,
    second: Annotated[str, typer.Option("--with", help="A second person, where it may let more out.")] = "",
    second_password: Annotated[str, typer.Option(help="Asked for where it is needed and not given.")] = "",
    home_path: HomePath = HOME,
) -> None:
    """Withdraw a rule of the site; pictures of its device are judged without it from now on.

    One person withdraws a rule that lets all of a picture out, so that its pictures are held again. A rule that paints
    something over takes two: without it a picture that says that it holds no text goes out as it is.
    Example: `aegle quarantine forget-rule 3f0c9a1e --site st-anna --as anna`
    """
    place, folder = site_of(home_path, site)
    require_person(place, site, person, password, Act.SITE_RULE_REMOVE)
    book = PixelBook(folder.pixel_rules)
    with refusals_told(place, Act.SITE_RULE_REMOVE, site=site, subject=rule_name, principal=f"user:{person}"):
        rule = next((known for known in book.rules() if name_of(known) == rule_name), None)
        if rule is None:
            raise NotFound("the site has no rule of this name; `aegle quarantine rules` lists them")
        people = [person]
        if why := _why_two(rule, [other for _, other in _all(place, site, folder) if other != rule]):
            if second in ("", person):
                raise Forbidden(f"{why}: a second person must stand behind it, --with somebody else")
            given = second_password or typer.prompt("Password of the second person", hide_input=True)
            require_person(place, site, second, given, Act.SITE_RULE_REMOVE)
            people.append(second)
        book.remove(rule)
    for who in people:
        _tell(place, site, folder, Act.SITE_RULE_REMOVE, rule, who, rule_name)
    console.print(f"Withdrawn: {_said(rule)}, by {rule.by}. What was let out under it stays in the archive.")


def _why_two(rule: PixelRule, others: Sequence[PixelRule]) -> str:
    """Why pictures may go out less covered without a rule; empty where they are held."""
    if rule.keep is not Keep.ALL:
        return "this rule paints over, and a picture that says it holds no text would go out as it is"
    if any(other.fits(_of(rule)) or rule.fits(_of(other)) for other in others):
        return "another rule for this device would hold in its place"
    return ""


def _of(rule: PixelRule) -> Device:
    return Device(
        manufacturer=rule.manufacturer, model=rule.model, modality=rule.modality, columns=rule.columns, rows=rule.rows
    )


def _all(place: Home, site: str, folder: SiteFolder) -> Iterator[tuple[bool, PixelRule]]:
    """Each rule in force, and whether it is the site's own."""
    yield from ((True, rule) for rule in PixelBook(folder.pixel_rules).rules())
    profile = configured(place.require_applied().site(site).config.deid)
    yield from ((False, rule) for rule in profile.pixel_rules)


def _require_helped(reason: HoldReason, keep: Keep) -> None:
    if reason not in _HELPED:
        raise Conflict("only an object held as BURNED_IN_RISK or TEXT_SUSPECTED is helped by a rule for its device")
    if reason is HoldReason.TEXT_SUSPECTED and keep is Keep.ALL:
        raise Conflict(
            "text was seen in this picture, so --keep all would let it out. Mask it: --keep unmasked --box "
            "LEFT,TOP,WIDTH,HEIGHT"
        )


def _rule(device: Device | None, keep: Keep, boxes: list[str], people: str, *, any_size: bool) -> PixelRule:
    if device is None:
        raise Conflict("the object's header cannot be read; no rule can be made for its device")
    painted = tuple(_box(text, device) for text in boxes)
    if bool(painted) != (keep is Keep.UNMASKED) and keep is not Keep.REGIONS:
        raise BadMessage("--box goes with --keep unmasked, and --keep unmasked needs a box")
    return PixelRule(
        manufacturer=device.manufacturer,
        model=device.model,
        modality=device.modality,
        columns=0 if any_size else device.columns,
        rows=0 if any_size else device.rows,
        keep=keep,
        boxes=painted,
        by=people,
    )


def _box(text: str, device: Device) -> Box:
    edges, _, named = text.partition("@")
    numbers = edges.split(",")
    frames = frames_named(named.strip() or "1-last")
    if len(numbers) != 4 or not all(number.strip().isdecimal() for number in numbers) or frames is None:
        raise BadMessage(f"{text!r} is not a box: LEFT,TOP,WIDTH,HEIGHT in pixels, and @FRAMES where not in all")
    left, top, width, height = map(int, numbers)
    if not width or not height or left + width > device.columns or top + height > device.rows:
        size = f"{device.columns} pixels wide and {device.rows} high"
        raise BadMessage(f"{text!r} does not lie within the held picture, which is {size}")
    return Box(left, top, width, height, *frames)


def _tell(place: Home, site: str, folder: SiteFolder, act: Act, rule: PixelRule, who: str, subject: str) -> None:
    facts = {"state": rule.keep.value, "digest": name_of(rule), "device": _device(folder, rule), "boxes": _boxes(rule)}
    record(place, act, site=site, subject=subject, principal=f"user:{who}", **facts)  # type: ignore[arg-type]


def _device(folder: SiteFolder, rule: PixelRule) -> str:
    """For the trail, which holds no value that may be a patient's: words that the site, or we, approved."""
    with closing(ValueBook(folder.values)) as book:
        values = book.current()
    words = (("Manufacturer", rule.manufacturer), ("ManufacturerModelName", rule.model), ("Modality", rule.modality))
    shown = [
        word if values.decision(keyword, word, is_term=keyword == "Modality") is Decision.APPROVE else "(not approved)"
        for keyword, word in words
        if word
    ]
    return ", ".join((*shown, _size(rule)))


def _size(rule: PixelRule) -> str:
    return f"{rule.columns} x {rule.rows}" if rule.columns else "any size"


def _said(rule: PixelRule) -> str:
    """What a rule lets out."""
    words = {Keep.ALL: "all", Keep.UNMASKED: "all but", Keep.REGIONS: "the declared regions"}[rule.keep]
    boxes = _boxes(rule)
    return f"{words}{' without' if boxes and rule.keep is Keep.REGIONS else ''} {boxes}".strip()


def _boxes(rule: PixelRule) -> str:
    return " ".join(_shown(box) for box in rule.boxes)


def _shown(box: Box) -> str:
    """As `--box` takes it."""
    edges = ",".join(map(str, box[:4]))
    if (box.first, box.last) == (1, 0):
        return edges
    first, last = str(box.first or "last"), str(box.last or "last")
    return f"{edges}@{first}" if first == last else f"{edges}@{first}-{last}"
