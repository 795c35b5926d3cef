"""Changes aegle.yaml by whole lines, so that everything a person wrote around them stays as it was."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML

from aegle.config import RESERVED, SITE_NAME
from aegle.errors import BadConfig, Conflict, NotFound


def add_site(text: str, name: str, block: Mapping[str, Any]) -> str:
    """The file with one site more at the end of its sites. Raises BadConfig for a bad name and a known one."""
    if name in RESERVED:
        raise BadConfig(f"{name!r} names a part of the hub; choose another name for the site")
    if not SITE_NAME.fullmatch(name):
        raise BadConfig(f"{name!r} is not a site name: 2 to 31 of a-z, 0-9 and hyphen, starting with a letter")
    document = _document(text)
    sites = document.get("sites")
    if sites and name in sites:
        raise BadConfig(f"a site {name!r} is already there; change its block by hand, or choose another name")
    if not _has_lines(document):
        document["sites"] = {**(sites or {}), name: dict(block)}
        return _dumped(document)
    lines = _lines(text)
    indent = " " * sites.lc.key(next(iter(sites)))[1]
    at = _end_of_sites(document, len(lines))
    lines[at:at] = [f"{indent}{name}:\n", *_block(block, indent * 2, indent)]
    return "".join(lines)


def freeze_site(text: str, name: str) -> str:
    """The file with `frozen: true` in a site's block. Raises NotFound, Conflict when it is frozen already."""
    document = _document(text)
    site = _site(document, name)
    if site.get("frozen") is True:
        raise Conflict(f"{name} is frozen already; `aegle site retire {name} --remove` takes its block out")
    if not _has_lines(document) or not hasattr(site, "lc") or site.fa.flow_style() or "frozen" in site:
        site["frozen"] = True
        return _dumped(document)
    line, column = site.lc.key(next(iter(site)))
    lines = _lines(text)
    lines.insert(line, f"{' ' * column}frozen: true\n")
    return "".join(lines)


def remove_site(text: str, name: str) -> str:
    """The file without a frozen site's block. Raises NotFound, Conflict when the site is not frozen."""
    document = _document(text)
    if _site(document, name).get("frozen") is not True:
        raise Conflict(f"{name} is alive; `aegle site retire {name}` and `aegle apply` freeze it first")
    sites = document["sites"]
    if not _has_lines(document) or len(sites) == 1:
        del sites[name]
        return _dumped(document)
    lines = _lines(text)
    first = sites.lc.key(name)[0]
    later = [sites.lc.key(other)[0] for other in sites if sites.lc.key(other)[0] > first]
    end = min(later, default=_end_of_sites(document, len(lines)))
    while (
        lines[end - 1].strip().startswith("#") and end - 1 > first
    ):  # a remark above the next block is the next block's
        end -= 1
    del lines[first:end]
    return "".join(lines)


def _yaml() -> YAML:
    """As it was written: quotes stay, and no line is folded."""
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 4096
    return yaml


def _document(text: str) -> Any:
    return _yaml().load(text) or {}


def _site(document: Any, name: str) -> Any:
    sites = document.get("sites") or {}
    if name not in sites:
        raise NotFound(f"no site {name!r} in aegle.yaml (there: {', '.join(sites) or 'none'})")
    return sites[name]


def _has_lines(document: Any) -> bool:
    """Whether sites stand in lines of their own: not in braces, and at least one."""
    sites = document.get("sites")
    return bool(sites) and not sites.fa.flow_style() and not document.fa.flow_style()


def _end_of_sites(document: Any, last: int) -> int:
    start = document.lc.key("sites")[0]
    return min((document.lc.key(key)[0] for key in document if document.lc.key(key)[0] > start), default=last)


def _lines(text: str) -> list[str]:
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    return lines


def _block(block: Mapping[str, Any], indent: str, step: str) -> Sequence[str]:
    found: list[str] = []
    for key, value in block.items():
        if isinstance(value, Mapping):
            found += [f"{indent}{key}:\n", *_block(value, indent + step, step)]
        elif isinstance(value, (list, tuple)):
            found.append(f"{indent}{key}: [{', '.join(value)}]\n")
        else:
            found.append(f"{indent}{key}: {value}\n")
    return found


def _dumped(document: Any) -> str:
    stream = io.StringIO()
    _yaml().dump(document, stream)
    return stream.getvalue()
