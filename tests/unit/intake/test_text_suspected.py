"""A picture in which the text detector sees text waits for a person, and passes once two people have looked at it."""

from pathlib import Path

import numpy as np
import pytest
from intakesite import Site
from PIL import Image, ImageDraw, ImageFont

from aegle.deid import Held, HoldReason
from aegle.deid.second_look import Looking
from aegle.errors import Forbidden
from aegle.intake.admit import Settled
from aegle.intake.quarantine import Settlement
from aegle.intake.spool import Door, Mark, Spooled


def ruler() -> bytes:
    """128 x 128 samples of 16 bits, as CT_small has, with words that are nobody's."""
    picture = Image.new("L", (128, 128))
    ImageDraw.Draw(picture).text((8, 50), "SCALE 10 cm", fill=255, font=ImageFont.load_default(size=18))
    return (np.asarray(picture, np.uint16) * 8).tobytes()


def test_a_picture_with_text_is_held_and_passes_after_two_people_looked(tmp_path: Path) -> None:
    site = Site(tmp_path, Looking.ALL)
    site.receive(
        ManufacturerModelName="LightSpeed Plus", Rows=128, Columns=128, PixelData=ruler(), PixelRepresentation=0
    )
    assert site.admit().reason is HoldReason.TEXT_SUSPECTED
    (entry,) = site.quarantine.entries()
    assert "1 place" in entry.detail
    site.quarantine.give_back(site.quarantine.settle(entry.entry_id, Settlement.RELEASED, by="anna"), site.spool)
    assert site.admit().reason is HoldReason.TEXT_SUSPECTED, "to be tried again is not to be let in"
    entry = site.quarantine.entries()[0]
    assert site.quarantine.vouch(entry.entry_id, "anna").state is Settlement.OPEN
    with pytest.raises(Forbidden):
        site.quarantine.vouch(entry.entry_id, "anna")
    site.quarantine.give_back(site.quarantine.vouch(entry.entry_id, "omar"), site.spool)
    assert site.admit().settled is Settled.ADMITTED
    site.close()


def test_a_correction_with_text_replaces_once_two_people_have_looked(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.receive(ManufacturerModelName="LightSpeed Plus")
    site.admit()
    item = Spooled(path=tmp_path / "changed", door=Door.UPLOAD, mark=Mark.REPLACES)
    item.path.write_bytes(b"a correction in which text was seen")
    entry = site.quarantine.hold(item, Held(reason=HoldReason.TEXT_SUSPECTED, detail=""), "2.25.1")
    site.quarantine.vouch(entry.entry_id, "anna")
    site.quarantine.give_back(site.quarantine.vouch(entry.entry_id, "omar"), site.spool)
    (waiting,) = site.spool.waiting()
    assert waiting.replaces and waiting.is_looked_at
    site.close()
