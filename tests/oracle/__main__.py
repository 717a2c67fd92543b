"""Judge the engine on random programs: ``python -m tests.oracle``."""

from __future__ import annotations

import sys

from tests.oracle.judgement import main

sys.exit(main())
