"""Calls of every kind by grpcio. TARGET CAFILE|- KEY calls: what came of each, as JSON.
TARGET CAFILE|- KEY forever: a line when the stream flows, and one when it ends."""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

target, ca, key, what = sys.argv[1:5]
options = [("grpc.max_receive_message_length", 8 << 20)]
if target.startswith("unix:"):
    # grpcio would name the host by the path, which is no name.
    options.append(("grpc.default_authority", "localhost"))
if ca == "-":
    channel = grpc.insecure_channel(target, options)
else:
    with open(ca, "rb") as file:
        channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(file.read()), options)
metadata = [("authorization", "Bearer " + key), ("x-consumer-id", "cust_evil")]


def plain(pairs):
    return {key: value.hex() if isinstance(value, bytes) else value for key, value in pairs or []}


def outcome(run):
    try:
        return run()
    except grpc.RpcError as error:
        return {"code": error.code().value[0], "details": error.details(), "trailers": plain(error.trailing_metadata())}


def method(kind, name):
    return getattr(channel, kind)("/test.Echo/" + name)


def unary(name, request, timeout=50):
    def run():
        answer, call = method("unary_unary", name).with_call(request, metadata=metadata, timeout=timeout)
        return {"code": 0, "answer": answer.decode(), "begin": plain(call.initial_metadata()), "trailers": plain(call.trailing_metadata())}
    return outcome(run)


def down():
    call = method("unary_stream", "Down")(b"200", metadata=metadata, timeout=50)
    count = sum(1 for _ in call)
    return {"code": call.code().value[0], "count": count, "trailers": plain(call.trailing_metadata())}


def both():
    # Each message is sent when the answer to the one before has come.
    import queue
    asked = queue.Queue()
    call = method("stream_stream", "Both")(iter(asked.get, None), metadata=metadata, timeout=50)
    answers = []
    for number in range(20):
        asked.put(str(number).encode())
        answers.append(next(call).decode())
    asked.put(None)
    rest = [answer.decode() for answer in call]
    return {"code": call.code().value[0], "answers": answers, "rest": rest}


def large():
    answer = method("unary_unary", "Unary")(b"x" * (3 << 20), metadata=metadata, timeout=50)
    return {"code": 0, "size": len(answer)}


def up():
    parts = (b"x" * 10_000 for _ in range(100))
    return {"code": 0, "answer": method("stream_unary", "Up")(parts, metadata=metadata, timeout=50).decode()}


if what == "calls":
    with ThreadPoolExecutor(50) as pool:
        many = list(pool.map(lambda number: unary("Unary", str(number).encode()), range(200)))
    begin = time.monotonic()
    late = unary("Slow", b"", timeout=4)
    late["took"] = time.monotonic() - begin
    print(json.dumps({
        "unary": unary("Unary", b"hi"),
        "down": outcome(down),
        "up": outcome(up),
        "both": outcome(both),
        "large": outcome(large),
        "fail": unary("Fail", b""),
        "unknown": unary("Nothing", b""),
        "late": late,
        "many": sum(one.get("answer", "").startswith(f"{number}|") for number, one in enumerate(many)),
    }))
else:
    call = method("unary_stream", "Forever")(b"", metadata=metadata, timeout=60)
    count = 0
    try:
        for _ in call:
            count += 1
            if count == 3:
                print("flows", flush=True)
        print(0, flush=True)
    except grpc.RpcError as error:
        print(error.code().value[0], error.details(), flush=True)
