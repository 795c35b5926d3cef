"""The one way in: spool, de-identify, check, archive; whatever cannot be proved clean is held."""
