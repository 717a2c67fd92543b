"""A thousand tasks hang, and two of them are the reason.

The two wait for each other; whatever else runs waits for one of the two; the rest is queued.

program.py [deadlock | rearranged]
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
roots = {}
both_submitted = Event()


def schema():
    both_submitted.wait()
    return 1 if how == "rearranged" else roots["defaults"].result()


def defaults():
    both_submitted.wait()
    return roots["schema"].result()


def check(number):
    return number + roots["schema"].result()


def fill(number):
    return number + roots["defaults"].result()


with ThreadPoolExecutor(40, thread_name_prefix="import") as pool:
    roots["schema"] = pool.submit(schema)
    roots["defaults"] = pool.submit(defaults)
    both_submitted.set()
    rows = [pool.submit(check if number % 2 else fill, number) for number in range(998)]
    print(sum(row.result() for row in rows))
