"""The recorder's core in C, for those who can build it; all else is in ``pyproject.toml``.

Where there is no compiler, or Python is a free-threaded one, it is left out, and the core in Python
does the same work: ``python -m tprecord --version`` tells which one is there.
"""

from __future__ import annotations

import sysconfig

from setuptools import Extension, setup

CORE = Extension("tprecord._core", ["tprecord/_core.c"], optional=True)

setup(ext_modules=[] if sysconfig.get_config_var("Py_GIL_DISABLED") else [CORE])
