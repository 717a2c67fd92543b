"""A task submits to its own pool, whose only worker it occupies, and waits for the result.

The worker cannot take the inner task before the outer one has returned, and the outer one returns
only when the inner one is done.

program.py [deadlock | enough-workers | timeout | rearranged]
"""

import sys
from concurrent.futures import ThreadPoolExecutor

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
pool = ThreadPoolExecutor(max_workers=2 if how == "enough-workers" else 1)


def load_page(number):
    return f"page {number}"


def load_book(title):
    if how == "rearranged":
        return [title, load_page(1)]
    page = pool.submit(load_page, 1)
    try:
        return [title, page.result(timeout=0.2 if how == "timeout" else None)]
    except TimeoutError:
        return [title, "no page in time"]


book = pool.submit(load_book, "Moby-Dick")
print(book.result())
