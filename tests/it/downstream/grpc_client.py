"""A gRPC client by grpcio: calls a method once, and prints the status. TARGET CAFILE|- PATH [KEY]"""

import sys

import grpc

target, ca, path = sys.argv[1:4]
if ca == "-":
    # grpcio would name a Unix socket by its path, which is no name.
    channel = grpc.insecure_channel(target, [("grpc.default_authority", "localhost")])
else:
    with open(ca, "rb") as file:
        channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(file.read()))
with channel:
    call = channel.unary_unary(path, request_serializer=lambda m: m, response_deserializer=lambda m: m)
    metadata = [("authorization", "Bearer " + key) for key in sys.argv[4:]]
    try:
        print("OK", call(b"x", metadata=metadata, timeout=50))
    except grpc.RpcError as error:
        trailing = {key: value for key, value in error.trailing_metadata() or []}
        print(error.code().name, error.code().value[0], error.details(), sorted(trailing))
