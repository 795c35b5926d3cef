"""A stand-in for the google and google-beta providers, with which the real terraform binary plans and applies offline.

`bindings` reads the real schema out of a published wheel, `world` holds what was made, `provider` answers terraform's
calls, `serve` starts it. What it proves and what it cannot is said in `infra/README.md`.
"""
