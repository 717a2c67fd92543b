"""The main thread waits for tasks that it has withdrawn: `shutdown(cancel_futures=True)`.

They are cancelled and taken out of the queue.  `wait()` counts a cancelled future as done only when
a worker has taken it from the queue, and none ever will: nobody is left to tell.

program.py [deadlock | timeout | rearranged]
"""

import sys
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
pool = ThreadPoolExecutor(1, thread_name_prefix="press")
begun, stop = Event(), Event()


def print_page(number):
    begun.set()
    stop.wait()
    return f"page {number}"


pages = [pool.submit(print_page, number) for number in range(1, 4)]
begun.wait()
pool.shutdown(wait=False, cancel_futures=True)
stop.set()
if how == "rearranged":
    pages = [page for page in pages if not page.cancelled()]
wait(pages, timeout=0.2 if how == "timeout" else None)
print("the press stands still")
