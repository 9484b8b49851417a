"""An HTTP/2 client that does as it is told, rules or no rules: frames by hyperframe, heads by hpack.

Reads commands as JSON lines and answers each with a JSON line.
Usage: http2.py tls HOST PORT CAFILE | tcp HOST PORT | unix PATH
"""

import json
import socket
import ssl
import struct
import sys
import time

import hpack
from hyperframe.frame import Frame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9


class Peer:
    def __init__(self, kind, where):
        self.kind, self.where = kind, where
        if kind == "unix":
            raw = socket.socket(socket.AF_UNIX)
            raw.connect(where[0])
        else:
            raw = socket.create_connection((where[0], int(where[1])))
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.settimeout(60)
        if kind == "tls":
            context = ssl.create_default_context(cafile=where[2])
            context.set_alpn_protocols(["h2"])
            raw = context.wrap_socket(raw, server_hostname="localhost")
            assert raw.selected_alpn_protocol() == "h2", "no h2"
        self.socket = raw
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.decoder.max_header_list_size = 1 << 20
        self.read = b""
        self.streams, self.goaway, self.closed, self.pongs = {}, None, False, 0
        self.replenish, self.last = True, 1
        self.block = None
        self.sent = 0
        # Nothing more comes; what cannot be sent any more may have been answered.
        self.ended = False
        # What may be sent of bodies: a stream's first window, and what was granted and taken by stream, 0 the connection.
        self.first, self.granted = 65535, {0: 65535}

    def frame(self, kind, flags, stream, payload=b""):
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload

    def send(self, data):
        self.sent += len(data)
        try:
            self.socket.sendall(data)
        except (OSError, ssl.SSLError):
            self.closed = True

    def greet(self, settings):
        payload = b"".join(struct.pack(">HI", key, value) for key, value in settings)
        self.send(PREFACE + self.frame(SETTINGS, 0, 0, payload))

    def stream(self, number):
        return self.streams.setdefault(
            number, {"status": None, "headers": [], "body": "", "size": 0, "trailers": [], "end": False, "reset": None}
        )

    def take(self, deadline):
        """Reads one frame; False if none came in time or none will."""
        while len(self.read) < 9 or len(self.read) < 9 + int.from_bytes(self.read[:3], "big"):
            left = deadline - time.monotonic()
            if left <= 0 or self.ended:
                return False
            self.socket.settimeout(left)
            try:
                more = self.socket.recv(65536)
            except (TimeoutError, socket.timeout):
                return False
            except (OSError, ssl.SSLError):
                more = b""
            finally:
                self.socket.settimeout(60)
            if not more:
                self.ended = self.closed = True
                return False
            self.read += more
        parsed, length = Frame.parse_frame_header(memoryview(self.read[:9]))
        kind, flags = self.read[3], self.read[4]
        payload, self.read = self.read[9:9 + length], self.read[9 + length:]
        self.got(kind, flags, parsed.stream_id, payload)
        return True

    def got(self, kind, flags, number, payload):
        if kind == SETTINGS and not flags & 1:
            for at in range(0, len(payload), 6):
                name, value = struct.unpack(">HI", payload[at:at + 6])
                self.first = value if name == 4 else self.first
            self.send(self.frame(SETTINGS, 1, 0))
        elif kind == WINDOW:
            self.granted[number] = self.granted.get(number, 0) + struct.unpack(">I", payload)[0]
        elif kind == PING:
            if flags & 1:
                self.pongs += 1
            else:
                self.send(self.frame(PING, 1, 0, payload))
        elif kind == GOAWAY:
            last, code = struct.unpack(">II", payload[:8])
            if self.goaway is None or code:
                self.goaway = code
        elif kind == RST:
            self.stream(number)["reset"] = struct.unpack(">I", payload)[0]
        elif kind == DATA:
            stream = self.stream(number)
            stream["size"] += len(payload)
            if len(stream["body"]) < 1 << 16:
                stream["body"] += payload.decode("latin-1")
            stream["end"] |= bool(flags & 1)
            if payload and self.replenish:
                grant = struct.pack(">I", len(payload))
                self.send(self.frame(WINDOW, 0, 0, grant) + self.frame(WINDOW, 0, number, grant))
        elif kind in (HEADERS, CONTINUATION):
            if kind == HEADERS:
                self.block = [flags, b""]
            self.block[1] += payload
            if flags & 4:
                self.headed(number, self.decoder.decode(self.block[1]), self.block[0])

    def headed(self, number, fields, flags):
        stream = self.stream(number)
        text = [[str(name), str(value)] for name, value in fields]
        if stream["status"] is None or 100 <= stream["status"] < 200:
            stream["status"] = int(dict(text)[":status"])
            stream["headers"] = [pair for pair in text if pair[0] != ":status"]
        else:
            stream["trailers"] = text
        stream["end"] |= bool(flags & 1)

    def report(self, number):
        return {**self.stream(number), "goaway": self.goaway, "closed": self.closed, "pongs": self.pongs, "sent": self.sent}

    def run(self, command):
        what = command["do"]
        number = command.get("stream", 0)
        seconds = command.get("seconds", 60)
        deadline = time.monotonic() + seconds
        if what == "greet":
            self.greet(command.get("settings", []))
        elif what == "headers":
            fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in command["headers"]]
            block = self.encoder.encode(fields, huffman=False)
            flags = 1 if command.get("end") else 0
            first, rest = block[:16000], block[16000:]
            self.send(self.frame(HEADERS, flags | (0 if rest else 4), number, first))
            while rest:
                first, rest = rest[:16000], rest[16000:]
                self.send(self.frame(CONTINUATION, 0 if rest else 4, number, first))
        elif what == "data":
            length = len(command["text"].encode("latin-1"))
            # Who is patient sends no more than he may, and nothing on a stream that was reset.
            room = lambda: min(self.granted[0], self.first + self.granted.get(number, 0))
            gone = lambda: self.stream(number)["reset"] is not None or self.closed
            while command.get("patient") and room() < length and not gone() and self.take(deadline):
                pass
            if command.get("patient") and gone():
                return self.report(number)
            for whose in (0, number):
                self.granted[whose] = self.granted.get(whose, 0) - length
            self.send(self.frame(DATA, 1 if command.get("end") else 0, number, command["text"].encode("latin-1")))
        elif what == "frame":
            payload = bytes.fromhex(command.get("hex", ""))
            one = self.frame(command["type"], command.get("flags", 0), number, payload)
            for _ in range(max(1, command.get("times", 1) // 100)):
                self.send(one * min(100, command.get("times", 1)))
                if command.get("listen"):
                    self.take(time.monotonic())
        elif what == "raw":
            self.send(bytes.fromhex(command["hex"]))
        elif what == "rest":
            time.sleep(seconds)
        elif what == "hold":
            self.replenish = False
        elif what == "resets":
            # Rapid reset: a request, given up at once, again and again.
            for at in range(command["times"]):
                block = self.encoder.encode([(n.encode(), v.encode()) for n, v in command["headers"]])
                stream = number + 2 * at
                give_up = self.frame(RST, 0, stream, struct.pack(">I", 8))
                self.send(self.frame(HEADERS, 5, stream, block) + give_up)
                if self.closed:
                    break
                self.take(time.monotonic())
        elif what == "wait":
            over = lambda: self.stream(number)["end"] or self.stream(number)["reset"] is not None
            while not over() and self.take(deadline):
                pass
        elif what == "until-reset":
            while self.stream(number)["reset"] is None and self.take(deadline):
                pass
        elif what == "head":
            while self.stream(number)["status"] is None and self.stream(number)["reset"] is None:
                if not self.take(deadline):
                    break
        elif what == "listen":
            while self.take(deadline):
                pass
        elif what == "many":
            # Requests one after the other, on a new connection whenever one ended; their statuses and codes.
            outcomes = []
            left = list(reversed(command["requests"]))
            while left:
                fields = left.pop()
                number, self.last = self.last, self.last + 2
                self.run({"do": "headers", "stream": number, "headers": fields, "end": True})
                report = self.run({"do": "wait", "stream": number})
                is_over = report["closed"] or report["goaway"] is not None
                if report["end"] or report["reset"] is not None:
                    try:
                        code = json.loads(report["body"]).get("code")
                    except ValueError:
                        code = None
                    outcomes.append("reset" if report["reset"] is not None else [report["status"], code])
                elif report["goaway"] == 0:
                    # It had carried as many as one may, and took no more.
                    left.append(fields)
                else:
                    outcomes.append("ended")
                if is_over:
                    self.socket.close()
                    self.__init__(self.kind, self.where)
                    self.greet([])
                else:
                    del self.streams[number]
            return outcomes
        elif what == "gone":
            while self.goaway is None and self.take(deadline):
                pass
        return self.report(number)


def main():
    peer = Peer(sys.argv[1], sys.argv[2:])
    for line in sys.stdin:
        print(json.dumps(peer.run(json.loads(line))), flush=True)


main()
