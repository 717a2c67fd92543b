"""Two tasks wait for each other's result; the main thread waits for one of them.

No number of workers helps: each task is running, and neither can return before the other.

program.py [deadlock | timeout | rearranged]
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
futures = {}
both_submitted = Event()
timeout = 0.2 if how == "timeout" else None


def price():
    both_submitted.wait()
    try:
        return futures["discount"].result(timeout) + 1
    except TimeoutError:
        return 0


def discount():
    both_submitted.wait()
    if how == "rearranged":
        return 1
    try:
        return futures["price"].result(timeout) // 10
    except TimeoutError:
        return 0


with ThreadPoolExecutor(4) as pool:
    futures["price"] = pool.submit(price)
    futures["discount"] = pool.submit(discount)
    both_submitted.set()
    print(futures["price"].result())
