"""Processes the app starts: how those of ``multiprocessing`` end, and what a new Python is told.

A child gets the environment of this process, and with it what :mod:`tprecord.family` has left
there.  To one that is given an environment of its own it is handed on the way.
"""

from __future__ import annotations

import os
import sys

from tprecord import compat
from tprecord.frames import local_values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from tprecord.monitor import Monitor

DISABLE = sys.monitoring.DISABLE


def install(monitor: Monitor, popen_fork: ModuleType) -> None:
    """Watch where a forked child is about to end."""
    monitor.on_call(popen_fork.Popen._launch, _leaves(monitor))


def install_forkserver(monitor: Monitor, forkserver: ModuleType) -> None:
    """Watch where a child of the fork server is about to end."""
    monitor.on_call(forkserver.main, _leaves(monitor))


def install_subprocess(monitor: Monitor, subprocess: ModuleType) -> None:
    """Watch where a process is started with an environment of its own.

    What is added to is the list that ``Popen`` has made of it, or a copy: never the app's own.
    Source: CPython ``Lib/subprocess.py``; from 3.13 ``posix_spawn`` is the usual way there.
    """
    fork_exec = subprocess._fork_exec

    def starts(callee: Any, _: Any) -> object:
        if callee is not fork_exec:
            return DISABLE
        (environment,) = local_values(sys._getframe(2), "env_list")
        if type(environment) is list and monitor.family:
            family = os.fsencode(monitor.family)
            name = family.partition(b"=")[0] + b"="
            if not any(bytes(pair).startswith(name) for pair in environment):
                environment.append(family)
        return None

    def spawns() -> None:
        values = sys._getframe(2).f_locals
        environment = values["env"]
        name, _, value = monitor.family.partition("=")
        if environment is not None and name and name not in environment:
            values["env"] = {**environment, name: value}

    monitor.on_call(subprocess.Popen._execute_child, starts)
    if compat.CAN_REBIND_LOCALS:
        monitor.on_start(subprocess.Popen._posix_spawn, spawns)


PROBES = (
    ("subprocess", install_subprocess),
    ("multiprocessing.popen_fork", install),
    ("multiprocessing.forkserver", install_forkserver),
)


def _leaves(monitor: Monitor) -> Any:
    def leaves(callee: Any, _: Any) -> object:
        if callee is not os._exit:
            return DISABLE
        monitor.leave()
        return None

    return leaves
