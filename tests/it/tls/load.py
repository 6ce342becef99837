"""TLS clients that ask until standard input ends. Arguments: port, roots.

Half of the requests are on new connections, half on one that is kept. Prints "new" for each
certificate not seen before, at the end the handshakes and the requests on kept connections; fails
with the first failure.
"""
import http.client
import ssl
import sys
import threading

port, roots = int(sys.argv[1]), sys.argv[2]
over = threading.Event()
failures, certificates = [], set()
counts = {"handshakes": 0, "kept": 0}
lock = threading.Lock()


def connect():
    connection = http.client.HTTPSConnection(
        "localhost", port, context=ssl.create_default_context(cafile=roots), timeout=30
    )
    connection.connect()
    return connection


def ask(connection):
    connection.request("GET", "/")
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200, answer.status


def run():
    try:
        kept = connect()
        while not over.is_set():
            fresh = connect()
            seen = fresh.sock.getpeercert(binary_form=True)
            ask(fresh)
            fresh.close()
            ask(kept)
            with lock:
                if seen not in certificates:
                    certificates.add(seen)
                    print("new", flush=True)
                counts["handshakes"] += 1
                counts["kept"] += 1
    except Exception as failure:
        failures.append(repr(failure))
        print(failures, flush=True)


threads = [threading.Thread(target=run) for _ in range(4)]
for thread in threads:
    thread.start()
sys.stdin.read()
over.set()
for thread in threads:
    thread.join()
if failures:
    print(failures, flush=True)
    sys.exit(1)
print(counts["handshakes"], counts["kept"], flush=True)
