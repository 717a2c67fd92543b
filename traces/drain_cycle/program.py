"""A task leaves the `with` block of a pool whose worker waits for that task's own result.

The future of the task was passed on to the other pool: what it waits for is whoever waits for it.

program.py [deadlock | timeout | rearranged]
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
jobs = ThreadPoolExecutor(2, thread_name_prefix="jobs")
own_future = SimpleQueue()


def log(job):
    try:
        return f"the job ended with {job.result(timeout=0.2 if how == 'timeout' else None)}"
    except TimeoutError:
        return "the job goes on"


def job():
    with ThreadPoolExecutor(1, thread_name_prefix="loggers") as loggers:
        me = own_future.get()
        if how == "rearranged":
            me.add_done_callback(log)
        else:
            loggers.submit(log, me)
    return "success"


task = jobs.submit(job)
own_future.put(task)
print(task.result())
