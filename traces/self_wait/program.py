"""A task waits for its own future.

program.py [deadlock | timeout | rearranged]
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
handle = {}
stored = Event()


def status():
    stored.wait()
    if how == "rearranged":
        return "working"
    try:
        return handle["status"].result(timeout=0.2 if how == "timeout" else None)
    except TimeoutError:
        return "unknown"


with ThreadPoolExecutor(4) as pool:
    handle["status"] = pool.submit(status)
    stored.set()
    print(handle["status"].result())
