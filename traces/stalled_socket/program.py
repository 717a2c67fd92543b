"""A task waits for bytes that nobody sends; whether they will come, no trace can tell.

program.py [stalled | timeout | answered]
verdict: stalled
"""

import socket
import sys
from concurrent.futures import ThreadPoolExecutor

how = sys.argv[1] if len(sys.argv) > 1 else "stalled"
client, server = socket.socketpair()
client.settimeout(0.2 if how == "timeout" else None)


def fetch(request):
    client.sendall(request)
    try:
        return client.recv(100)
    except TimeoutError:
        return b"no answer"


pool = ThreadPoolExecutor(2, thread_name_prefix="fetch")
answer = pool.submit(fetch, b"ping")
if how == "answered":
    server.sendall(b"pong")
print(answer.result().decode())
