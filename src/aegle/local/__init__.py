"""Every port on one machine, and the embedded database under it."""
