"""A done-callback waits for a task of the pool whose worker it runs on.

The result of `fetch` is set and delivered, but its worker is not free before the done-callbacks
have returned, and this one waits for a task that needs the worker.

program.py [deadlock | enough-workers | timeout | rearranged]
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
pool = ThreadPoolExecutor(2 if how == "enough-workers" else 1, thread_name_prefix="net")
go, asked = Event(), Event()


def fetch():
    go.wait()
    return "a page"


def store(page):
    return f"{page}, stored"


def when_fetched(fetched):
    stored = pool.submit(store, fetched.result())
    asked.set()
    if how == "rearranged":
        stored.add_done_callback(lambda done: print(done.result()))
        return
    try:
        print(stored.result(timeout=0.2 if how == "timeout" else None))
    except TimeoutError:
        print("not stored in time")


page = pool.submit(fetch)
page.add_done_callback(when_fetched)
go.set()
print(page.result())
asked.wait()
pool.shutdown()
