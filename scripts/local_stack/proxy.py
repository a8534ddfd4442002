"""Proxies in front of PostgreSQL, Qdrant and AWS. Forward everything but what faults and interceptors change."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

CHUNK_BYTES = 64 * 1024
MAX_HEAD_BYTES = 128 * 1024


class Loop:
    """An event loop on its own thread, for all proxies of the process."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="proxies", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Runs a coroutine in the loop; returns its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)


class TcpProxy:
    """Forwards bytes in both directions. Can cut, refuse and stall connections, and lose responses."""

    def __init__(self, target_port: int, address: str = "127.0.0.1", port: int = 0):
        self.target_port = target_port
        self.address = address
        self.port = port
        self.connections = 0
        # How often a fault affected a connection.
        self.affected = 0
        self._refuses = False
        self._responses_to_lose = 0
        self._flows = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._flows.set()
        self._server = await asyncio.start_server(self._serve, self.address, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Ends every connection, and accepts no more."""
        self._server.close()
        await self.cut()

    async def cut(self) -> int:
        """Aborts every connection; returns their number."""
        cut = len(self._writers)
        for writer in list(self._writers):
            writer.transport.abort()
        self.affected += cut
        return cut

    async def refuse(self, seconds: float) -> None:
        self._refuses = True
        await self.cut()
        await asyncio.sleep(seconds)
        self._refuses = False

    async def stall(self, seconds: float) -> None:
        self._flows.clear()
        await asyncio.sleep(seconds)
        self._flows.set()

    def lose_responses(self, count: int) -> None:
        """Does not forward the next `count` responses, but aborts their connections."""
        self._responses_to_lose = count

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._refuses:
            self.affected += 1
            writer.transport.abort()
            return
        try:
            target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, target_writer}
        self._writers |= pair
        try:
            await asyncio.gather(
                self._pump(reader, target_writer, is_response=False),
                self._pump(target_reader, writer, is_response=True))
        except OSError:
            pass
        finally:
            self._writers -= pair
            for one in pair:
                one.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_response: bool) -> None:
        while data := await reader.read(CHUNK_BYTES):
            if not self._flows.is_set():
                self.affected += 1
                await self._flows.wait()
            if is_response and self._responses_to_lose > 0:
                self._responses_to_lose -= 1
                self.affected += 1
                raise ConnectionResetError
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError


@dataclass(frozen=True)
class Request:
    """A complete HTTP request."""

    method: str
    target: str
    headers: dict[str, str]
    head: bytes
    body: bytes

    @property
    def call(self) -> str:
        """The SQS action; empty for S3."""
        return self.headers.get("x-amz-target", "").partition(".")[2]

    @property
    def is_s3(self) -> bool:
        return not self.call

    @property
    def raw(self) -> bytes:
        return self.head + self.body


# A complete response; None aborts the connection.
Response = bytes | None
# Forwards a request and returns its response.
Forward = Callable[[Request], Awaitable[bytes]]
# Called for every request; returns None for requests that it does not intercept.
Interceptor = Callable[[Request, Forward], Awaitable[Response] | None]


class HttpProxy:
    """Forwards one request at a time per connection; interceptors can replace the response of each."""

    def __init__(self, target_port: int, port: int = 0):
        self.target_port = target_port
        self.port = port
        self.requests = 0
        self.interceptors: list[Interceptor] = []

    async def start(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=MAX_HEAD_BYTES)
        self.port = server.sockets[0].getsockname()[1]

    async def send(self, request: Request) -> bytes:
        """Forwards a request on a new connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.target_port, limit=MAX_HEAD_BYTES)
        try:
            writer.write(request.raw)
            await writer.drain()
            return await _read_response(reader, request.method)
        finally:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

        async def forward(request: Request) -> bytes:
            nonlocal upstream
            is_fresh = upstream is None
            if upstream is None:
                upstream = await asyncio.open_connection("127.0.0.1", self.target_port, limit=MAX_HEAD_BYTES)
            try:
                upstream[1].write(request.raw)
                await upstream[1].drain()
                return await _read_response(upstream[0], request.method)
            except (OSError, EOFError):
                upstream[1].transport.abort()
                upstream = None
                if is_fresh:
                    raise
                # The server has closed an idle connection.
                return await forward(request)

        try:
            while (request := await _read_request(reader, writer)) is not None:
                self.requests += 1
                response = await self._respond(request, forward)
                if response is None:
                    break
                writer.write(response)
                await writer.drain()
        except (OSError, EOFError):
            # Either side has closed its connection; close the other one, too.
            pass
        finally:
            writer.transport.abort()
            if upstream is not None:
                upstream[1].transport.abort()

    async def _respond(self, request: Request, forward: Forward) -> Response:
        for interceptor in list(self.interceptors):
            response = interceptor(request, forward)
            if response is not None:
                return await response
        return await forward(request)


def failure(status: int, request: Request, code: str) -> bytes:
    """Returns an error response of S3 or SQS."""
    if request.is_s3:
        error = f"<Error><Code>{code}</Code><Message>injected</Message></Error>"
        body = f'<?xml version="1.0" encoding="UTF-8"?>{error}'.encode()
        kind = "application/xml"
        if request.method == "HEAD":
            body = b""
    else:
        body = f'{{"__type":"com.amazonaws.sqs#{code}","message":"injected"}}'.encode()
        kind = "application/x-amz-json-1.0"
    return _response(f"{status} Injected", kind, body)


def success(body: bytes) -> bytes:
    """Returns a successful response of SQS."""
    return _response("200 OK", "application/x-amz-json-1.0", body)


def _response(status: str, content_type: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
    headers = _headers(head)
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        head = b"\r\n".join(line for line in head.split(b"\r\n") if not line.lower().startswith(b"expect:"))
    body = await _read_body(reader, headers)
    return Request(method, target, headers, head, body)


async def _read_response(reader: asyncio.StreamReader, method: str) -> bytes:
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        if status >= 200:
            break
    headers = _headers(head)
    if method == "HEAD" or status in (204, 304):
        return head
    if "content-length" not in headers and "transfer-encoding" not in headers:
        return head + await reader.read()
    return head + await _read_body(reader, headers)


async def _read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    """Reads a body as it is on the wire, including chunk sizes."""
    if "chunked" not in headers.get("transfer-encoding", "").lower():
        return await reader.readexactly(int(headers.get("content-length", "0")))
    parts = []
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.split(b";", 1)[0], 16)
        parts += [line, await reader.readexactly(size), await reader.readuntil(b"\r\n")]
        if size == 0:
            return b"".join(parts)


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    pairs = [line.split(":", 1) for line in lines if ":" in line]
    return {name.strip().lower(): value.strip() for name, value in pairs}
