"""A task shuts down the pool it runs in, and waits for a worker that waits for it.

`shutdown()` joins the workers in the order of a set.  If the caller itself came first, the join
would raise a RuntimeError and nothing would hang; so the program lets the task on the other worker
do it, to hang every time.

program.py [deadlock | timeout | rearranged]
"""

import sys
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier, current_thread

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
pool = ThreadPoolExecutor(2, thread_name_prefix="jobs")
both_begun = Barrier(3)
tasks = []


def job(number):
    both_begun.wait()
    both_begun.wait()
    if current_thread() is next(iter(pool._threads)):  # noqa: SLF001  # to hang every time
        return wait_for_the_other(tasks[1 - number])
    return stop_the_pool()


def wait_for_the_other(task: Future):
    try:
        return task.result(timeout=0.2 if how == "timeout" else None)
    except TimeoutError:
        return "no answer in time"
    except RuntimeError as error:
        return f"the other one said: {error}"


def stop_the_pool():
    pool.shutdown(wait=how != "rearranged")
    return "stopped"


tasks += [pool.submit(job, 0), pool.submit(job, 1)]
both_begun.wait()
both_begun.wait()
for task in tasks:
    try:
        print(task.result())
    except RuntimeError as error:
        print(error)
