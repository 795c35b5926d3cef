"""A program that is kept running, from the moment in which its start is over."""

import gc

from aegle.local import processes


def test_what_a_program_has_loaded_is_not_looked_through_again() -> None:
    there = len(gc.get_objects())
    try:
        processes.keep_loaded()
        assert gc.get_freeze_count() > there / 2
        assert len(gc.get_objects()) < there / 10
    finally:
        gc.unfreeze()
