"""De-identification at the site's door: PS3.15 Annex E as data, a byte-level engine, pseudonyms, vault and restore."""
