"""A task waits for a group of futures that holds its own; the main thread leaves the `with` block.

program.py [deadlock | timeout | rearranged]
"""

import sys
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
everything = []
stored = Event()


def save(number):
    return number


def save_summary():
    stored.wait()
    others = everything[:-1] if how == "rearranged" else everything
    done, _ = wait(others, timeout=0.2 if how == "timeout" else None)
    return len(done)


with ThreadPoolExecutor(4, thread_name_prefix="savers") as savers:
    for number in range(3):
        everything.append(savers.submit(save, number))
    everything.append(savers.submit(save_summary))
    stored.set()
