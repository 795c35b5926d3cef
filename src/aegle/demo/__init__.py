"""The demonstration: synthetic pictures, synthetic studies, the reference model. Nothing here is for clinical use."""
