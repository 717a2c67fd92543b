"""Two threads take two locks, each in an order of its own.

option: --locks

program.py [deadlock | timeout | rearranged]
"""

import sys
from threading import Barrier, Lock, Thread

how = sys.argv[1] if len(sys.argv) > 1 else "deadlock"
limit = 0.2 if how == "timeout" else -1
both_have_one = Barrier(2)


class Account:
    def __init__(self, name, money):
        self.name, self.money, self.lock = name, money, Lock()


def transfer(source, target, amount):
    first, second = source, target
    if how == "rearranged":
        first, second = sorted((source, target), key=lambda account: account.name)
    with first.lock:
        if how != "rearranged":
            both_have_one.wait()
        if second.lock.acquire(timeout=limit):
            source.money -= amount
            target.money += amount
            second.lock.release()


ann, bob = Account("Ann", 100), Account("Bob", 100)
payments = [
    Thread(target=transfer, args=(ann, bob, 30), name="rent"),
    Thread(target=transfer, args=(bob, ann, 10), name="refund"),
]
for payment in payments:
    payment.start()
for payment in payments:
    payment.join()
print(ann.money + bob.money)
