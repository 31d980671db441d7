"""A small HTTP service of the demo. It answers with JSON and, if told so, calls the next service
by name and port first.

It knows nothing of a proxy: it binds its port on every address, calls a plain URL, and passes
x-request-id on, as any service that takes part in tracing does.
"""

import argparse
import http.client
import json
import socket
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

    def do_GET(self):
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
        value = self.headers.get("x-request-id")
        return {"x-request-id": value} if value else {}

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
    options = parser.parse_args()
    Handler.name, Handler.calls = options.name, options.calls
    Server(("::", options.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
