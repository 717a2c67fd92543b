"""An executor that brings a copy of the standard library's `submit`: two of its tasks wait for
each other.

It makes its futures by hand, and puts them into the queue itself; that a worker begins them is
what makes tasks of them.

program.py [deadlock | timeout | rearranged]
"""

import sys
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.thread import _WorkItem
from threading import Barrier

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
timeout = 0.2 if how == "timeout" else None
both_begun = Barrier(3)
futures = {}


class Executor(ThreadPoolExecutor):
    def submit(self, fn, /, *args, **kwargs):
        with self._shutdown_lock:
            if self._shutdown:
                raise RuntimeError("cannot schedule new futures after shutdown")
            future = Future()
            if sys.version_info < (3, 14):
                item = _WorkItem(future, fn, args, kwargs)
            else:
                item = _WorkItem(future, (fn, args, kwargs))
            self._work_queue.put(item)
            self._adjust_thread_count()
            return future


def goods():
    return ask_for("price") if how != "rearranged" else "goods without a price"


def price():
    return ask_for("goods")


def ask_for(name):
    both_begun.wait()
    both_begun.wait()
    try:
        return futures[name].result(timeout)
    except TimeoutError:
        return f"no {name} in time"


if how == "rearranged":
    both_begun = Barrier(2)
with Executor(2, thread_name_prefix="shop") as pool:
    futures["goods"] = pool.submit(goods)
    futures["price"] = pool.submit(price)
    both_begun.wait()
    both_begun.wait()
