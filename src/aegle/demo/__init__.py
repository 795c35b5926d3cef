"""The demonstration: synthetic pictures and studies, a stand-in for a PACS, and the script. Not for clinical use."""
