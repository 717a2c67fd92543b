"""The answer to a request is a future made by hand, and on one way out nobody sets it.

program.py [deadlock | finally | timeout | rearranged]
"""

import sys
from concurrent.futures import Future, ThreadPoolExecutor

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
pool = ThreadPoolExecutor(2, thread_name_prefix="requests")


def fetch(page):
    if page > 1:
        raise LookupError(page)
    return f"page {page}"


def ask(page, answer):
    try:
        answer.set_result(fetch(page))
    except LookupError as missing:
        if how == "finally":
            answer.set_exception(missing)


def request(page):
    if how == "rearranged":
        return pool.submit(fetch, page)
    answer = Future()
    pool.submit(ask, page, answer)
    return answer


for page in (1, 2):
    try:
        print(request(page).result(timeout=0.2 if how == "timeout" else None))
    except (LookupError, TimeoutError):
        print("no such page")
