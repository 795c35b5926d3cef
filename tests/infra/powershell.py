"""Rules for the PowerShell that runs where we cannot look: parsed by tree-sitter, judged by what has gone wrong elsewhere."""

import re
from collections.abc import Iterator

import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

_PARSER = Parser(Language(tree_sitter_powershell.language()))
_PLAIN_ALLOWED = "http://metadata.google.internal"


def lint(text: str) -> Iterator[str]:
    """What is wrong, each with its line. An empty answer is what a script needs to be merged."""
    root = _PARSER.parse(text.encode()).root_node
    yield from (
        f"line {node.start_point.row + 1}: does not parse" for node in _walk(root) if node.is_error or node.is_missing
    )
    commands = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not commands or not commands[0].startswith("Set-StrictMode -Version Latest"):
        yield "line 1: the first command is not Set-StrictMode -Version Latest"
    if "$ErrorActionPreference = 'Stop'" not in commands[:2]:
        yield "line 2: errors do not stop the script"
    for number, line in enumerate(text.splitlines(), start=1):
        yield from (f"line {number}: {fault}" for fault in _line(line))
    yield from _downloads(root)


def _line(line: str) -> Iterator[str]:
    code = line.partition(" #")[0] if not line.lstrip().startswith("#") else ""
    if re.search(r'"[^"]*\$\w+:(?!:)\w*[^"]*"', re.sub(r"\$(script|env|global):\w+", "", code)):
        yield "a variable before a colon is read as a drive: write ${Name}: or Name`:"
    for address in re.findall(r"http://[\w.]+", code):
        if address != _PLAIN_ALLOWED:
            yield f"{address} is not https"
    if re.search(r"\b(iex|Invoke-Expression)\b", code):
        yield "runs text as a program"
    if re.search(r"-SkipCertificateCheck|ServerCertificateValidationCallback", code):
        yield "believes any certificate"
    if re.search(r"ConvertTo-SecureString.*-AsPlainText", code):
        yield "holds a password in the open"


def _downloads(root: Node) -> Iterator[str]:
    """A function that writes what it downloads must compare its digest."""
    for node in _walk(root):
        if node.type == "function_statement":
            text = node.text.decode()
            if "-OutFile" in text and not re.search(r"-OutFile.*Get-FileHash.*-ne.*throw", text, re.DOTALL):
                yield f"line {node.start_point.row + 1}: a download without a digest"
    outside = [child for child in root.children if child.type != "function_statement"]
    if any("-OutFile" in part.text.decode() and "function " not in part.text.decode() for part in outside):
        yield "a download outside a function that compares its digest"


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _walk(child)
