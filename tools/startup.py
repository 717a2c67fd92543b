"""Put ``tprecord.pth`` into the wheel, beside the packages; used by ``pyproject.toml``.

So the Pythons that a recorded program starts are recorded too: see ``tprecord/child.py``.

PEP 829 (3.15) deprecates code in ``.pth`` files: it runs until 3.17.  A ``tprecord.start`` would
take this file's place, but it is given a function, not a condition: every Python would import
tprecord at its start, recorded or not.  When 3.18 comes, that is what it will have to be.
"""

from __future__ import annotations

from pathlib import Path

from setuptools.command.build_py import build_py

FILE = "tprecord.pth"


class BuildPy(build_py):
    """Builds the packages, and copies the file to where they are."""

    def run(self) -> None:
        """Do both."""
        super().run()
        if not self.editable_mode:
            self.copy_file(FILE, str(Path(self.build_lib, FILE)))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:  # noqa: FBT001, FBT002
        """Return all that is built."""
        outputs = super().get_outputs(include_bytecode)
        return outputs if self.editable_mode else [*outputs, str(Path(self.build_lib, FILE))]
