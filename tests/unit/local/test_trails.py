"""Every chain below a home, proved with the heads that the other party holds."""

from pathlib import Path

from aegle.access import Act, Wanted, event
from aegle.local.audit import ChainedLines, Fault, heads_in
from aegle.local.home import Home
from aegle.local.trails import Proof, newest, prove, trails
from aegle.records import AuditHead


def write(home: Home, owner: str, process: str, count: int) -> None:
    folder = (home.hub if owner == "hub" else home.site(owner)) / "audit"
    chain = ChainedLines(folder, owner, process)
    for number in range(count):
        chain.append(event(Act.HUB_CONSOLE_VIEW, subject=f"{owner}-{number}"))
    chain.close()


def made(tmp_path: Path) -> tuple[Home, list[AuditHead]]:
    home = Home(root=tmp_path)
    for owner, process, count in (
        ("hub", "hub", 4),
        ("hub", "worker-1", 2),
        ("st-anna", "site", 3),
        ("st-anna", "cli", 1),
    ):
        write(home, owner, process, count)
    heads = [*heads_in(home.hub / "audit", "hub"), *heads_in(home.site("st-anna") / "audit", "st-anna")]
    return home, heads


def test_every_chain_is_found_and_proved_with_what_is_newer(tmp_path: Path) -> None:
    home, heads = made(tmp_path)
    write(home, "st-anna", "site", 2)
    found = [prove(trail, heads) for trail in trails(home, heads)]
    assert [(item.chain, item.lines, item.newer) for item in found if isinstance(item, Proof)] == [
        ("hub/hub", 4, 0),
        ("hub/worker-1", 2, 0),
        ("st-anna/cli", 1, 0),
        ("st-anna/site", 5, 2),
    ]


def test_heads_are_read_while_another_process_writes_and_leave_out_an_unfinished_line(tmp_path: Path) -> None:
    home, heads = made(tmp_path)
    path = home.site("st-anna") / "audit" / "site.jsonl"
    with path.open("a") as stream:
        stream.write('{"n":4,"prev":"')
    assert heads_in(path.parent, "st-anna") == tuple(head for head in heads if head.chain.startswith("st-anna"))
    proof = prove(next(trail for trail in trails(home, heads, "st-anna") if trail.chain == "st-anna/site"), heads)
    assert isinstance(proof, Proof) and proof.lines == 3


def test_a_chain_that_was_removed_whole_is_a_fault_at_its_first_line(tmp_path: Path) -> None:
    home, heads = made(tmp_path)
    (home.hub / "audit" / "worker-1.jsonl").unlink()
    faults = [item for trail in trails(home, heads) if isinstance(item := prove(trail, heads), Fault)]
    assert [(fault.chain, fault.line) for fault in faults] == [("hub/worker-1", 1)]


def test_a_chain_cut_and_written_on_is_found_by_the_head_in_between(tmp_path: Path) -> None:
    home, heads = made(tmp_path)
    path = home.hub / "audit" / "hub.jsonl"
    path.write_text("".join(path.read_text().splitlines(True)[:2]))
    write(home, "hub", "hub", 6)
    later = [*heads, *heads_in(path.parent, "hub")]
    fault = prove(trails(home, later, "hub")[0], later)
    assert isinstance(fault, Fault) and fault.line == 4


def test_a_chain_without_a_lodged_head_is_all_newer(tmp_path: Path) -> None:
    home, _ = made(tmp_path)
    proofs = [prove(trail, ()) for trail in trails(home, ())]
    assert all(isinstance(proof, Proof) and proof.newer == proof.lines for proof in proofs)


def test_the_newest_acts_of_all_chains_come_latest_first(tmp_path: Path) -> None:
    home, _ = made(tmp_path)
    found = list(newest(trails(home, ()), 3))
    assert [chain for chain, _ in found] == ["st-anna/cli", "st-anna/site", "st-anna/site"]
    assert [event.subject for _, event in newest(trails(home, (), "hub"), 1)] == ["hub-1"]
    assert [event.subject for _, event in newest(trails(home, ()), 9, Wanted(act="VIEW", subject="anna-1"))] == [
        "st-anna-1"
    ]
