"""A worker that answers with the request's head and body, in TLS if it is told so.

Arguments: port or path of a Unix socket, [certificate, key], or [a JSON file of options]. The file is
read for every connection, so that a worker that is ready can change its ways: certificate, key, ca
(whose certificates it wants to see), maximum (version of TLS), alpn, plain.
"""
import base64
import hashlib
import http.server
import json
import os
import socket
import ssl
import sys


class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self, body=b""):
        if self.headers.get("Upgrade") == "websocket":
            self.tunnel()
            return
        body = str(self.headers).lower().encode() + body
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Generation", os.environ.get("AUTOHEAL_GENERATION", "0"))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.do_GET(self.rfile.read(int(self.headers["Content-Length"])))

    def tunnel(self):
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "websocket")
        self.send_header("Sec-WebSocket-Accept", accept)
        self.end_headers()
        while said := self.connection.recv(65536):
            self.connection.sendall(said)
        self.close_connection = True

    def log_message(self, *_):
        pass

    def address_string(self):
        return "client"


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def get_request(self):
        stream, address = super().get_request()
        context = context_of(sys.argv[2:])
        if context:
            stream = context.wrap_socket(stream, server_side=True, do_handshake_on_connect=False)
        return stream, address or ("unix", 0)

    def handle_error(self, *_):
        pass


class UnixServer(Server):
    address_family = socket.AF_UNIX

    def server_bind(self):
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "unix", 0


def context_of(arguments):
    if not arguments:
        return None
    options = dict(zip(("certificate", "key"), arguments))
    if len(arguments) == 1:
        with open(arguments[0], encoding="utf-8") as file:
            options = json.load(file)
    if options.get("plain"):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if "maximum" in options:
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion[options["maximum"]]
    if "alpn" in options:
        context.set_alpn_protocols(options["alpn"])
    if "ca" in options:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(options["ca"])
    context.load_cert_chain(options["certificate"], options["key"])
    return context


place = sys.argv[1]
server = UnixServer(place, Echo) if "/" in place else Server(("127.0.0.1", int(place)), Echo)
server.serve_forever()
