"""``python -m tprecord``; what is in this module gives way to the program that is run."""

from __future__ import annotations

from tprecord.command import main

main()
