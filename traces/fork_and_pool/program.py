"""A process is forked while a pool has workers: the child has the pool, but none of its workers.

The child submits a task.  The pool believes that an idle worker will take it, and waits for ever:
its only worker lives in the parent.  The trace kept here is the child's.

process: child

program.py [deadlock | timeout | rearranged]
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
timeout = 0.2 if how == "timeout" else None


def make_pool():
    return ThreadPoolExecutor(1, thread_name_prefix="log")


def write(line):
    return f"{os.getpid() != parent}: {line}"


parent = os.getpid()
pool = make_pool()
pool.submit(write, "the parent is there").result()
pid = os.fork()
if pid:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
if how == "rearranged":
    pool = make_pool()
try:
    print(pool.submit(write, "so is the child").result(timeout))
except TimeoutError:
    print("nobody writes")
