"""A click has to be answered, but the only worker is at work on a long report.

Nothing hangs: the worker moves, and the click will be answered, some day.

program.py [starving | second-pool | short]
verdict: starving
"""

import sys
from concurrent.futures import ThreadPoolExecutor

how = sys.argv[1] if len(sys.argv) > 1 else "starving"
PAGES = 10**9 if how == "starving" else 2_000


def is_prime(number):
    divisor = 2
    while divisor * divisor <= number:
        if number % divisor == 0:
            return False
        divisor += 1
    return number > 1


def report():
    count = 0
    for number in range(PAGES):
        if is_prime(number):
            count += 1
    return count


def answer_click():
    return "clicked"


pool = ThreadPoolExecutor(1, thread_name_prefix="work")
clicks = ThreadPoolExecutor(1, thread_name_prefix="clicks") if how == "second-pool" else pool
pool.submit(report)
print(clicks.submit(answer_click).result())
