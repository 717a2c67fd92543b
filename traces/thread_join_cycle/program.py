"""A reader stops when its writer has ended, and the writer when its reader has.

Each joins the other at the end of its own work, so neither ends.

program.py [deadlock | timeout | rearranged]
"""

import sys
from threading import Event, Thread

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
limit = 0.2 if how == "timeout" else None
both_run = Event()


def read():
    both_run.wait()
    if how != "rearranged":
        writer.join(limit)


def write():
    both_run.wait()
    reader.join(limit)


reader = Thread(target=read, name="reader")
writer = Thread(target=write, name="writer")
reader.start()
writer.start()
both_run.set()
print("both run")
writer.join()
reader.join()
print("both have ended")
