"""From a study's images to one reading: the model bundle, its runtime process, image quality, and the decision."""
