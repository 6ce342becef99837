"""A worker that passes what is said to it on to the script's server, byte for byte."""

import os
import socket
import sys
import threading


def pump(source, target):
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        # One side has gone: so must the other.
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def relay(front, origin):
    # A probe connects and leaves: the script's server must not see it.
    try:
        first = front.recv(65536)
    except OSError:
        first = b""
    if first:
        with socket.create_connection(origin) as back:
            for end in (front, back):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back.sendall(first)
            answers = threading.Thread(target=pump, args=(back, front), daemon=True)
            answers.start()
            pump(front, back)
            answers.join()
    front.close()


host, port = sys.argv[1].rsplit(":", 1)
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    connection, _ = listener.accept()
    threading.Thread(target=relay, args=(connection, (host, int(port))), daemon=True).start()
