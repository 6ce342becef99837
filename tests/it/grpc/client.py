"""gRPC's own interoperability cases, the client (grpc/grpc, doc/interop-test-descriptions.md).

Prints one line of JSON for each case: what a caller sees. Direct and through a proxy they must be
the same.
"""

import json
import sys
import threading

import grpc

SERVICE = "grpc.testing.TestService"
channel = grpc.insecure_channel(
    sys.argv[1], options=[("grpc.max_receive_message_length", -1)]
)


def method(kind, name):
    return getattr(channel, kind)(f"/{SERVICE}/{name}")


def padded(message, size):
    return json.dumps(message).encode().ljust(size)


def ended(call):
    return {"code": call.code().name, "details": call.details()}


def empty_unary():
    return {"size": len(method("unary_unary", "EmptyCall")(b"", timeout=20))}


def large_unary():
    request = padded({"size": 314159}, 271828)
    answer = method("unary_unary", "UnaryCall")(request, timeout=20)
    return {"size": len(answer), "got": json.loads(answer)["got"]}


def client_streaming():
    requests = (padded({}, size) for size in (27182, 8, 1828, 45904))
    return json.loads(method("stream_unary", "StreamingInputCall")(requests, timeout=20))


def server_streaming():
    request = padded({"sizes": [31415, 9, 2653, 58979]}, 0)
    answers = method("unary_stream", "StreamingOutputCall")(request, timeout=20)
    return {"sizes": [len(answer) for answer in answers]}


class Turns:
    """Requests of which each is sent when it is its turn."""

    def __init__(self):
        self.next, self.turn = None, threading.Semaphore(0)

    def send(self, request):
        self.next = request
        self.turn.release()

    def __iter__(self):
        while True:
            self.turn.acquire()
            if self.next is None:
                return
            yield self.next


def ping_pong():
    turns, sizes = Turns(), []
    answers = method("stream_stream", "FullDuplexCall")(iter(turns), timeout=20)
    for size, length in ((31415, 27182), (9, 8), (2653, 1828), (58979, 45904)):
        turns.send(padded({"sizes": [size]}, length))
        sizes.append(len(next(answers)))
    turns.send(None)
    return {"sizes": sizes, "more": len(list(answers)), **ended(answers)}


def empty_stream():
    answers = method("stream_stream", "FullDuplexCall")(iter(()), timeout=20)
    return {"more": len(list(answers)), **ended(answers)}


def cancel_after_begin():
    turns = Turns()
    call = method("stream_unary", "StreamingInputCall").future(iter(turns))
    call.cancel()
    turns.send(None)
    return ended(call)


def cancel_after_first_response():
    turns = Turns()
    answers = method("stream_stream", "FullDuplexCall")(iter(turns), timeout=20)
    turns.send(padded({"sizes": [31415]}, 27182))
    first = len(next(answers))
    answers.cancel()
    turns.send(None)
    return {"first": first, **ended(answers)}


def timeout_on_sleeping_server():
    turns = Turns()
    answers = method("stream_stream", "SleepingCall")(iter(turns), timeout=0.3)
    turns.send(padded({}, 27182))
    try:
        next(answers)
    except grpc.RpcError:
        pass
    turns.send(None)
    return {"code": answers.code().name}


def of(call):
    try:
        call()
    except grpc.RpcError as error:
        return ended(error)
    return "no error"


def status_code_and_message():
    request = padded({"status": {"code": 2, "message": "test status message"}, "sizes": []}, 0)
    duplex = method("stream_stream", "FullDuplexCall")
    return [
        of(lambda: method("unary_unary", "UnaryCall")(request, timeout=20)),
        of(lambda: list(duplex(iter([request]), timeout=20))),
    ]


def special_status_message():
    text = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n"
    request = padded({"status": {"code": 2, "message": text}}, 0)
    return of(lambda: method("unary_unary", "UnaryCall")(request, timeout=20))


def unimplemented_method():
    return of(lambda: method("unary_unary", "UnimplementedCall")(b"", timeout=20))


def unimplemented_service():
    call = channel.unary_unary("/grpc.testing.UnimplementedService/UnimplementedCall")
    return of(lambda: call(b"", timeout=20))


def custom_metadata():
    metadata = [
        ("x-grpc-test-echo-initial", "test_initial_metadata_value"),
        ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab"),
    ]
    unary = method("unary_unary", "UnaryCall")
    _, call = unary.with_call(padded({}, 9), timeout=20, metadata=metadata)
    known = {key for key, _ in metadata}
    both = list(call.initial_metadata()) + list(call.trailing_metadata())
    return [[key, repr(value)] for key, value in both if key in known]


CASES = [
    empty_unary,
    large_unary,
    client_streaming,
    server_streaming,
    ping_pong,
    empty_stream,
    cancel_after_begin,
    cancel_after_first_response,
    timeout_on_sleeping_server,
    status_code_and_message,
    special_status_message,
    unimplemented_method,
    unimplemented_service,
    custom_metadata,
]

wanted = sys.argv[2:]
for case in CASES:
    if not wanted or case.__name__ in wanted:
        try:
            seen = case()
        except grpc.RpcError as error:
            seen = {"failed": error.code().name, "details": error.details()}
        print(json.dumps({case.__name__: seen}), flush=True)
