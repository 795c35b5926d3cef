"""The person who decides on values that were never seen before, played by the answer key."""

import csv
from pathlib import Path

from aegle.bench.answers import AnswerKey


def decide(values: Path, key: AnswerKey) -> int:
    """Settle every pending row of a values file: deny those that hold something planted. Answers how many there were."""
    if not values.exists():
        return 0
    with values.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    planted = {plant.text.casefold() for answer in key.files for plant in answer.plants if not plant.path}
    pending = [row for row in rows if row["decision"] == "pending"]
    for row in pending:
        told = any(text in row["value"].casefold() for text in planted)
        row["decision"] = "deny" if told else "approve"
    with values.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["keyword", "value", "decision"])
        writer.writeheader()
        writer.writerows(rows)
    return len(pending)
