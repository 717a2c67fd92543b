"""A task closes the ThreadPool it runs in and waits for the pool's workers, itself among them.

program.py [deadlock | close-only | owner-joins]
"""

import sys
from multiprocessing.pool import ThreadPool

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
pool = ThreadPool(2)


def last_one():
    if how != "owner-joins":
        pool.close()
    if how == "deadlock":
        pool.join()
    return "all done"


print(pool.apply_async(last_one).get())
if how == "owner-joins":
    pool.close()
pool.join()
