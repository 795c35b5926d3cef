"""Every port on one machine: files, SQLite, processes."""
