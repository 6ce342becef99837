"""gRPC's own interoperability cases, the server: messages are bytes that these two files agree on.

A request is JSON, padded with blanks to the size that its case wants; so is an answer.
"""

import json
import os
import sys
import time
from concurrent import futures

import grpc

SERVICE = "grpc.testing.TestService"


def padded(message, size):
    return json.dumps(message).encode().ljust(size)


def echo_status(request, context):
    status = request.get("status")
    if status:
        code = next(c for c in grpc.StatusCode if c.value[0] == status["code"])
        context.abort(code, status["message"])


def unary(request, context):
    asked = json.loads(request) if request else {}
    for key, value in context.invocation_metadata():
        if key == "x-grpc-test-echo-initial":
            context.send_initial_metadata([(key, value)])
        if key == "x-grpc-test-echo-trailing-bin":
            context.set_trailing_metadata([(key, value)])
    echo_status(asked, context)
    return padded({"got": len(request), "pid": os.getpid()}, asked.get("size", 0))


def empty(request, context):
    return b""


def streaming_input(requests, context):
    return padded({"got": sum(len(request) for request in requests)}, 0)


def streaming_output(request, context):
    for size in json.loads(request)["sizes"]:
        yield padded({}, size)


def full_duplex(requests, context):
    for request in requests:
        asked = json.loads(request)
        echo_status(asked, context)
        for size in asked["sizes"]:
            yield padded({}, size)


def sleeping(requests, context):
    for _ in requests:
        time.sleep(2)
        yield padded({}, 1)


def health(request, context):
    """grpc.health.v1: a request is field 1, the name of a service; an answer field 1, its state."""
    service = request[2:].decode()
    if service not in ("", "well", "sick"):
        context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
    return b"\x08\x02" if service == "sick" else b"\x08\x01"


class Handler(grpc.GenericRpcHandler):
    def service(self, call):
        return {
            f"/{SERVICE}/EmptyCall": grpc.unary_unary_rpc_method_handler(empty),
            f"/{SERVICE}/UnaryCall": grpc.unary_unary_rpc_method_handler(unary),
            f"/{SERVICE}/StreamingInputCall": grpc.stream_unary_rpc_method_handler(streaming_input),
            f"/{SERVICE}/StreamingOutputCall": grpc.unary_stream_rpc_method_handler(
                streaming_output
            ),
            f"/{SERVICE}/FullDuplexCall": grpc.stream_stream_rpc_method_handler(full_duplex),
            "/grpc.health.v1.Health/Check": grpc.unary_unary_rpc_method_handler(health),
            f"/{SERVICE}/SleepingCall": grpc.stream_stream_rpc_method_handler(sleeping),
        }.get(call.method)


server = grpc.server(
    futures.ThreadPoolExecutor(max_workers=32),
    handlers=[Handler()],
    options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)],
)
place = f"127.0.0.1:{sys.argv[1]}"
if len(sys.argv) > 2:
    certificate, key = (open(path, "rb").read() for path in sys.argv[2:])
    port = server.add_secure_port(place, grpc.ssl_server_credentials([(key, certificate)]))
else:
    port = server.add_insecure_port(place)
server.start()
print(port, flush=True)
server.wait_for_termination()
