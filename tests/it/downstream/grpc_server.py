"""A gRPC server by grpcio, in clear text: prints its port, then a line for each call that was given up."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc


def metadata(context):
    return {key: value for key, value in context.invocation_metadata()}


def unary(request, context):
    context.set_trailing_metadata((("x-trail", "bye"), ("x-trail-bin", b"\0\xff")))
    context.send_initial_metadata((("x-begin", "hello"),))
    seen = metadata(context)
    return request + f"|{seen.get('x-consumer-id')}|{'authorization' in seen}".encode()


def down(request, context):
    for number in range(int(request)):
        yield str(number).encode()
    context.set_trailing_metadata((("x-trail", "down"),))


def up(requests, context):
    return str(sum(len(request) for request in requests)).encode()


def both(requests, context):
    for request in requests:
        yield b"re:" + request


def fail(request, context):
    context.set_trailing_metadata((("x-why", "because"),))
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not yet, ü")


def slow(request, context):
    over = threading.Event()
    context.add_callback(over.set)
    left = context.time_remaining()
    over.wait(50)
    print(f"given up, of {left:.1f}", flush=True)
    return b""


def forever(request, context):
    context.add_callback(lambda: print("cut", flush=True))
    while context.is_active():
        yield b"."
        time.sleep(0.05)


handlers = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Down": grpc.unary_stream_rpc_method_handler(down),
    "Up": grpc.stream_unary_rpc_method_handler(up),
    "Both": grpc.stream_stream_rpc_method_handler(both),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Slow": grpc.unary_unary_rpc_method_handler(slow),
    "Forever": grpc.unary_stream_rpc_method_handler(forever),
}
server = grpc.server(ThreadPoolExecutor(64), options=[("grpc.max_receive_message_length", 8 << 20)])
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Echo", handlers)])
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
server.wait_for_termination()
