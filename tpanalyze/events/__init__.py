"""What each kind of event does to the state: a handler per kind, one module per subject.

A handler is given the event, the thread that did it, and the moment in ticks.  It unpacks the event
first, which raises ValueError if its length is wrong; the loop in :mod:`tpanalyze.replay` sees to
that.  What the event says and the state contradicts, it remarks, and leaves the state such that the
things concerned can move.

A new kind is a method, its line in its class's ``handlers``, and nothing else.
"""

from __future__ import annotations

from tpanalyze.events.loops import LoopEvents
from tpanalyze.events.pools import PoolEvents
from tpanalyze.events.program import ProgramEvents
from tpanalyze.events.scene import Handler, Scene
from tpanalyze.events.tasks import TaskEvents
from tpanalyze.events.threads import ThreadEvents
from tpanalyze.events.waits import WaitEvents

SUBJECTS = (TaskEvents, WaitEvents, ThreadEvents, PoolEvents, LoopEvents, ProgramEvents)


def handlers(scene: Scene) -> dict[int, Handler]:
    """Return the handler of every kind of event, by its number."""
    return {
        kind: handler for subject in SUBJECTS for kind, handler in subject(scene).handlers.items()
    }
