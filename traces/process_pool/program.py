"""The main thread waits for a task in another process, which waits for something from outside.

program.py [stalled | served | timeout]

The parent cannot know what its processes do, so this is no deadlock:
verdict: stalled
"""

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

how = sys.argv[1] if len(sys.argv) > 1 else "stalled"


def read_page(end):
    return os.read(end, 10)


if __name__ == "__main__":
    theirs, ours = os.pipe()
    if how == "served":
        os.write(ours, b"a page")
    fork = get_context("fork")  # the other process must not hold the end that we write to
    pool = ProcessPoolExecutor(1, mp_context=fork, initializer=os.close, initargs=(ours,))
    page = pool.submit(read_page, theirs)
    try:
        print(page.result(timeout=0.2 if how == "timeout" else None))
    except TimeoutError:
        print("nothing in time")
        os.write(ours, b"a page")
    pool.shutdown()
