"""A gRPC client by grpcio: calls a method that is refused, and prints the status. HOST:PORT CAFILE [KEY]"""

import sys

import grpc

target, ca = sys.argv[1:3]
with open(ca, "rb") as file:
    credentials = grpc.ssl_channel_credentials(file.read())
with grpc.secure_channel(target, credentials) as channel:
    call = channel.unary_unary(
        "/v1/products/Get", request_serializer=lambda m: m, response_deserializer=lambda m: m
    )
    metadata = [("authorization", "Bearer " + key) for key in sys.argv[3:]]
    try:
        print("OK", call(b"x", metadata=metadata, timeout=20))
    except grpc.RpcError as error:
        trailing = {key: value for key, value in error.trailing_metadata() or []}
        print(error.code().name, error.code().value[0], error.details(), sorted(trailing))
