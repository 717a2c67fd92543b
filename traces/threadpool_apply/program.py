"""Tasks of a ThreadPool call apply() of their own pool: all its workers wait for its queue.

program.py [deadlock | enough-workers | timeout | rearranged]
"""

import multiprocessing
import sys
from multiprocessing.pool import ThreadPool
from threading import Barrier

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
pool = ThreadPool(3 if how == "enough-workers" else 2)
both_begun = Barrier(2)


def load_page(book):
    return f"page of {book}"


def load_book(book):
    both_begun.wait()
    if how == "rearranged":
        return load_page(book)
    if how == "timeout":
        try:
            return pool.apply_async(load_page, (book,)).get(timeout=0.2)
        except multiprocessing.TimeoutError:
            return "nothing in time"
    return pool.apply(load_page, (book,))


print(pool.map(load_book, ["one book", "another"], chunksize=1))
