"""Where the reference bundle lies."""

from pathlib import Path

import aegle.demo

BUNDLES = Path(aegle.demo.__file__).parent / "bundle"
