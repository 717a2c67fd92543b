"""JSON that may stand in a script element, whatever names it holds.

Source: HTML Standard, 4.12.1.3 (restrictions for contents of script elements); ECMA-404.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

type Json = bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None


def script_json(value: Json) -> str:
    r"""Return `value` as ASCII without ``<``, ``>`` and ``&``, so that nothing in it is markup.

    >>> script_json("</script><!-- \u2028")
    '"\\u003c/script\\u003e\\u003c!-- \\u2028"'
    """
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
