"""Two pools starve each other: each one's only worker waits for a task in the other one's queue.

program.py [deadlock | enough-workers | timeout | rearranged]
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
workers = 2 if how == "enough-workers" else 1
disk = ThreadPoolExecutor(workers, thread_name_prefix="disk")
net = ThreadPoolExecutor(workers, thread_name_prefix="net")
both_begun = Barrier(2)


def read():
    return "a file"


def fetch():
    return "a page"


def ask(other, function):
    both_begun.wait()
    if how == "rearranged":
        return function()
    try:
        return other.submit(function).result(timeout=0.2 if how == "timeout" else None)
    except TimeoutError:
        return "nothing in time"


def publish():
    return ask(net, fetch)


def mirror():
    return ask(disk, read)


tasks = [disk.submit(publish), net.submit(mirror)]
for task in tasks:
    print(task.result())
