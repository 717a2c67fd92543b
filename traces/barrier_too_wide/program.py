"""Three steps of a simulation meet at a barrier, but the pool runs only two of them at a time.

Both workers wait for a third thread to come; the third step is queued behind them.

program.py [deadlock | enough-workers | timeout | rearranged]
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, BrokenBarrierError

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
PARTIES = 3
together = Barrier(1 if how == "rearranged" else PARTIES)


def step(part):
    try:
        together.wait(timeout=0.2 if how == "timeout" else None)
    except BrokenBarrierError:
        return f"part {part} went on alone"
    return f"part {part} is in step"


workers = PARTIES if how == "enough-workers" else PARTIES - 1
with ThreadPoolExecutor(workers, thread_name_prefix="steps") as pool:
    for part in range(PARTIES):
        pool.submit(step, part)
print("all parts are done")
