"""Two reports of the same deadlock have the same signature."""

from __future__ import annotations

from hashlib import sha256

from tpanalyze.describe import basename, own_frames
from tpanalyze.kinds.case import Case


def signature(kind: str, case: Case) -> str:
    """Return the kind and a digest of the functions and places of the core.

    It leaves out what differs between runs (numbers of threads, tasks and pools, times, how many
    workers do the same) and what unrelated edits move (line numbers, directories).
    """
    members = {
        "|".join(
            (
                case.words.function_of(thread.task) if thread.task is not None else "",
                thread.wait.operation if thread.wait else "",
                *(
                    f"{basename(frame.function.file or '')}:{frame.function.name}"
                    for frame in own_frames(thread.wait.site if thread.wait else None)
                ),
            )
        )
        for thread in case.threads
    }
    members |= {f"queued|{case.words.function_of(task.id)}" for task in case.queued}
    text = "\n".join([kind, *sorted(members)])
    return f"{kind}-{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
