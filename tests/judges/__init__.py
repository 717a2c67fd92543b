"""Long tests, each by its own command: ``python3 dev.py judge NAME``."""
