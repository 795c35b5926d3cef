"""Aegle turns a medical-imaging model into a service for hospitals and laboratories."""

__version__ = "0.1.0"
