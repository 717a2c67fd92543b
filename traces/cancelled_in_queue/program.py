"""A task waits for a task of its own pool that it has cancelled in the queue.

`wait()` counts a cancelled future as done only when a worker has taken it from the queue, and the
only worker runs the task that waits.

program.py [deadlock | enough-workers | timeout | rearranged]
"""

import sys
from concurrent.futures import ThreadPoolExecutor, wait

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
pool = ThreadPoolExecutor(2 if how == "enough-workers" else 1, thread_name_prefix="search")


def look(place):
    return f"nothing in the {place}"


def search():
    places = [pool.submit(look, place) for place in ("attic", "cellar")]
    for place in places:
        place.cancel()
    if how == "rearranged":
        places = [place for place in places if not place.cancelled()]
    wait(places, timeout=0.2 if how == "timeout" else None)
    return "given up"


print(pool.submit(search).result())
