"""A small HTTP service of the demo. It answers with JSON and, if told so, calls the next service
by name and port first.

It knows nothing of a proxy: it binds its port on every address, calls a plain URL, and passes one
header on (x-request-id, unless told otherwise), as any service that takes part in tracing does.
`GET /-/served` tells how many requests it has answered; `POST /-/break?every=2` lets every second
one fail from then on, `every=0` none.
"""

import argparse
import http.client
import json
import socket
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave in one segment
    name = ""
    calls = None
    forwards = "x-request-id"
    lock = threading.Lock()
    served = 0
    broken_every = 0

    def do_GET(self):
        if self.path == "/-/served":
            self.reply(200, {"service": self.name, "served": self.served})
        elif self.is_to_fail():
            self.reply(500, {"service": self.name, "error": "broken"})
        else:
            self.serve()

    def do_POST(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path != "/-/break":
            self.reply(404, {"service": self.name, "error": "no such page"})
            return
        Handler.broken_every = int(urllib.parse.parse_qs(url.query)["every"][0])
        self.reply(200, {"service": self.name, "broken_every": self.broken_every})

    def is_to_fail(self):
        with self.lock:
            Handler.served += 1
            return self.broken_every > 0 and self.served % self.broken_every == 0

    def serve(self):
        answer = {
            "service": self.name,
            "path": self.path,
            "request_id": self.headers.get("x-request-id"),
        }
        code = 200
        if self.calls:
            try:
                code, answer["calls"] = self.call_next()
            except OSError as error:
                code, answer["calls"] = 502, str(error)
        self.reply(code, answer)

    def call_next(self):
        next_url = urllib.parse.urlsplit(self.calls)
        connection = http.client.HTTPConnection(next_url.netloc, timeout=5)
        try:
            connection.request("GET", next_url.path, headers=self.trace_headers())
            response = connection.getresponse()
            body = response.read().decode()
        finally:
            connection.close()
        if response.status != 200:
            return 502, f"{next_url.netloc} answered {response.status}: {body}"
        return 200, json.loads(body)

    def trace_headers(self):
        value = self.headers.get(self.forwards)
        return {self.forwards: value} if value else {}

    def log_message(self, *_):  # the access logs of the sidecars tell it
        pass

    def reply(self, code, answer):
        body = (json.dumps(answer) + "\n").encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("x-answered-by", self.name)
        self.end_headers()
        self.wfile.write(body)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--calls", help="URL of the service to ask before answering")
    parser.add_argument("--forwards", default=Handler.forwards, help="header to pass on")
    options = parser.parse_args()
    Handler.name, Handler.calls = options.name, options.calls
    Handler.forwards = options.forwards
    Server(("::", options.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
