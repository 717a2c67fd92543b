"""A program that prints the modules it sees; run by ``tests/test_imports.py``."""

import sys

sys.stdout.write(" ".join(sorted(sys.modules)))
