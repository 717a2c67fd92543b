"""The tests, as a package: helpers are imported as ``tests.<name>``."""
