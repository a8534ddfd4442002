"""One unary gRPC call over HTTP/2, and the few protobuf fields that the checks need."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

import h2.config
import h2.connection
import h2.events

SECONDS = 10
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class GrpcError(Exception):
    """An answer other than OK. Codes: https://grpc.io/docs/guides/status-codes/"""

    def __init__(self, status: int, message: str):
        self.status = status
        super().__init__(message or f"gRPC status {status}")


def call(url: str, method: str, message: bytes, headers: dict[str, str]) -> bytes:
    """Sends a message and returns the reply. Raises GrpcError, OSError, or ConnectionError for no HTTP/2."""
    address = urlsplit(url)
    host, port = address.hostname or "", address.port or 6334
    with socket.create_connection((host, port), SECONDS) as plain:
        if address.scheme != "https":
            return _exchange(plain, "http", f"{host}:{port}", method, message, headers)
        context = ssl.create_default_context()
        context.set_alpn_protocols(["h2"])
        with context.wrap_socket(plain, server_hostname=host) as encrypted:
            return _exchange(encrypted, "https", f"{host}:{port}", method, message, headers)


def _exchange(
    connection: socket.socket, scheme: str, authority: str, method: str, message: bytes, headers: dict[str, str],
) -> bytes:
    http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
    http.initiate_connection()
    stream = http.get_next_available_stream_id()
    http.send_headers(stream, [
        (":method", "POST"), (":scheme", scheme), (":authority", authority), (":path", method),
        ("te", "trailers"), ("content-type", "application/grpc"), *headers.items()])
    http.send_data(stream, b"\0" + struct.pack(">I", len(message)) + message, end_stream=True)
    connection.sendall(http.data_to_send())
    connection.settimeout(SECONDS)
    body, answer = b"", dict[str, str]()
    while True:
        received = connection.recv(65536)
        if not received:
            raise ConnectionError("the server closed the connection; is this its gRPC port?")
        try:
            events = http.receive_data(received)
        except h2.exceptions.ProtocolError as error:
            raise ConnectionError("the server does not speak HTTP/2; is this its gRPC port?") from error
        for event in events:
            if isinstance(event, h2.events.DataReceived):
                body += event.data or b""
                http.acknowledge_received_data(event.flow_controlled_length or 0, stream)
            elif isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                answer |= {str(name): str(value) for name, value in event.headers or []}
            elif isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated):
                raise ConnectionError("the server refused the call")
            elif isinstance(event, h2.events.StreamEnded):
                return _reply(answer, body)
        connection.sendall(http.data_to_send())


def _reply(headers: dict[str, str], body: bytes) -> bytes:
    if headers.get(":status", "200") != "200":
        raise ConnectionError(f"the server answered with HTTP status {headers[':status']}")
    status = int(headers.get("grpc-status", "2"))
    if status != 0:
        raise GrpcError(status, unquote(headers.get("grpc-message", "")))
    return body[5:]


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yields number and value of each field of a protobuf message; nested messages and texts as bytes."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        kind = tag & 7
        if kind == _VARINT:
            value, position = _varint(message, position)
            yield tag >> 3, value
        elif kind == _BYTES:
            length, position = _varint(message, position)
            yield tag >> 3, message[position : position + length]
            position += length
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
            yield tag >> 3, message[position : position + size]
            position += size
        else:
            raise ConnectionError("the reply is no protobuf message")


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
