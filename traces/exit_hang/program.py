"""The program has printed its last line, and never ends.

Nobody waits for the pool: the main thread returns.  But the interpreter does, at its exit, and the
pool's workers wait for each other's tasks.

program.py [deadlock | enough-workers | timeout | rearranged]
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
WORKERS = 2
pool = ThreadPoolExecutor(3 if how == "enough-workers" else WORKERS, thread_name_prefix="mail")
both_at_it = Barrier(WORKERS)
all_asked = Barrier(WORKERS + 1)


def deliver(address):
    return f"delivered to {address}"


def send(address):
    both_at_it.wait()
    receipt = None if how == "rearranged" else pool.submit(deliver, address)
    all_asked.wait()
    if receipt is None:
        return deliver(address)
    try:
        return receipt.result(timeout=0.2 if how == "timeout" else None)
    except TimeoutError:
        return "not delivered"


for address in ("ada@example.org", "grace@example.org"):
    pool.submit(send, address)
all_asked.wait()
print("all mail is on its way")
