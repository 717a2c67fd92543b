"""A bug of ours in a probe ends that probe, is said once, and the program goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.recorded import PATIENCE_S, environment, read

APP = """
import queue, threading
from concurrent.futures import *

def work(n): return n
promise = Future()
with ThreadPoolExecutor(2) as pool:
    tasks = [pool.submit(work, n) for n in range(20)]
    assert sum(f.result() for f in as_completed(tasks)) == 190
    wait([pool.submit(work, 1), pool.submit(promise.set_result, 3)])
    assert promise.result() == 3
    slow = pool.submit(threading.Event().wait, 0.05)
    queued = [pool.submit(threading.Event().wait, 0.05) for _ in range(3)]
    queued[-1].cancel()
    slow.exception()
    assert list(pool.map(work, [1, 2])) == [1, 2]
q = queue.Queue()
thread = threading.Thread(target=lambda: q.put(q.get()))
thread.start(); q.put(1); thread.join()
condition = threading.Condition()
with condition: condition.wait(0.01)
print("app is well")
"""

BROKEN = """
import sys
from tprecord import monitor, tracebacks

which, made = int(sys.argv.pop(1)), [0]

def broken(method):
    def watch(self, function, *handlers):
        number = made[0]
        made[0] += 1
        if number == which:
            source = "def handler(*_):\\n    raise {error}('injected')"
            space = dict()  # what raises outside the recorder's own files is the app's
            exec(compile(source, tracebacks.PACKAGE + "injected.py", "exec"), space)
            handlers = tuple(space["handler"] for _ in handlers) or (space["handler"],)
        return method(self, function, *handlers)
    return watch

for name in ("on_call", "on_start", "on_return", "on_native"):
    setattr(monitor.Monitor, name, broken(getattr(monitor.Monitor, name)))
from tprecord.command import main
sys.argv[0] = "tprecord"
main()
"""


def run_broken(tmp_path: Path, which: int, error: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "app.py").write_text(APP)
    # a module: what stands in the main one gives way to the program
    (tmp_path / "breaking.py").write_text(BROKEN.format(error=error))
    (tmp_path / "broken.py").write_text("import breaking\n")
    return subprocess.run(
        [sys.executable, "broken.py", str(which), "-o", f"{which}.jsonl", "app.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(),
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.mark.parametrize(("error", "step"), [("KeyError", 2), ("ZeroDivisionError", 3)])
def test_each_handler_that_raises_is_switched_off_and_the_app_does_not_notice(
    tmp_path: Path, error: str, step: int
) -> None:
    met = 0
    for which in range(0, 60, step):
        done = run_broken(tmp_path, which, error)
        assert (done.returncode, done.stdout) == (0, "app is well\n"), (which, done.stderr)
        lines = done.stderr.splitlines()
        assert lines[0].startswith("tprecord: recording to"), done.stderr
        notes = read(tmp_path / f"{which}.jsonl").notes
        assert lines[1:] == [f"tprecord: {note['text']}" for note in notes]
        assert len(lines) == len(set(lines)) <= 3
        for line in lines[1:]:
            met += 1
            assert "a bug in the recorder's probe of" in line and error in line
    assert met >= 5
