"""The program has printed its last line, and never ends: nobody tells its logger to stop.

The thread that writes the log takes from a queue for ever, and it is no daemon: at its exit the
interpreter waits for it, and it waits for one more line.

program.py [deadlock | sentinel | daemon | timeout]
"""

import sys
from queue import Empty, Queue
from threading import Thread

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
lines = Queue()
written = []


def write_log():
    while True:
        try:
            line = lines.get(timeout=0.2 if how == "timeout" else None)
        except Empty:
            return
        if line is None:
            return
        written.append(line)


Thread(target=write_log, name="logger", daemon=how == "daemon").start()
for number in range(3):
    lines.put(f"line {number}")
if how == "sentinel":
    lines.put(None)
print("three lines are on their way to the log")
