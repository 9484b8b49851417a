"""A backend that takes what it gets, as Python's own server does: bare line feeds, odd spaces, any length that
`int` reads. Prints its port, then each request it sees as a line of JSON, before it answers it with the same line.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()


def say(line):
    with lock:
        print(line, flush=True)


class Backend(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536

    def serve(self):
        # Whoever's connection it is: that it was kept is part of the proof.
        line = json.dumps({
            "target": self.path,
            "ids": self.headers.get_all("X-Request-Id", []),
            "consumers": self.headers.get_all("X-Consumer-Id", []),
            "connection": self.client_address[1],
        })
        say(line)
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            while (size := int(self.rfile.readline().split(b";")[0].strip() or b"0", 16)) > 0:
                self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
        else:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = line.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.serve
        raise AttributeError(name)

    def send_error(self, code, message=None, explain=None):
        say(json.dumps({"target": f"{code} {self.raw_requestline!r}", "ids": [], "consumers": [], "connection": 0}))
        super().send_error(code, message, explain)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
say(json.dumps({"port": server.server_address[1]}))
server.serve_forever()
