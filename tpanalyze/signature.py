"""Two reports of the same problem have the same signature."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from tpanalyze.describe import basename, own_frames
from tpanalyze.kinds.case import Case
from tpanalyze.model import Site


def signature(kind: str, case: Case) -> str:
    """Return the signature of a deadlock; see :func:`digest`."""
    members = [
        (
            case.words.task_function(thread),
            thread.wait.operation if thread.wait else "",
            thread.wait.site if thread.wait else None,
        )
        for thread in case.threads
    ]
    members += [("queued", case.words.function_of(task.id), None) for task in case.queued]
    return digest(kind, members)


def digest(kind: str, members: Iterable[tuple[str, str, Site | None]]) -> str:
    """Return the kind and a digest of the functions and places of the members.

    It leaves out what differs between runs (numbers of threads, tasks and pools, times, how many
    workers do the same) and what unrelated edits move (line numbers, directories).
    """
    told = {
        "|".join(
            (
                *words,
                *(
                    f"{basename(frame.function.file or '')}:{frame.function.name}"
                    for frame in own_frames(site)
                ),
            )
        )
        for *words, site in members
    }
    text = "\n".join([kind, *sorted(told)])
    return f"{kind}-{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
