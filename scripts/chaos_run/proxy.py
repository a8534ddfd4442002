"""What stands between the functions and PostgreSQL, Qdrant and AWS: passes everything on until it is told otherwise."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

CHUNK_BYTES = 64 * 1024
MOST_HEAD_BYTES = 128 * 1024


class Loop:
    """An event loop on a thread of its own, for all proxies of one process."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="proxies", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Runs it there, waits for its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)


class TcpProxy:
    """Bytes both ways. Cuts, refuses, stalls, or loses answers whose questions were passed on."""

    def __init__(self, target_port: int):
        self.target_port = target_port
        self.port = 0
        self.connections = 0
        # How often a fault was felt by a connection.
        self.felt = 0
        self._refuses = False
        self._answers_to_lose = 0
        self._flows = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._flows.set()
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]

    async def cut(self) -> int:
        """Ends every connection in the middle of whatever it does."""
        cut = len(self._writers)
        for writer in list(self._writers):
            writer.transport.abort()
        self.felt += cut
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

    def lose_answers(self, count: int) -> None:
        """The next so many answers are not passed on: their connections are cut instead."""
        self._answers_to_lose = count

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._refuses:
            self.felt += 1
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
                self._pump(reader, target_writer, is_answer=False), self._pump(target_reader, writer, is_answer=True))
        except OSError:
            pass
        finally:
            self._writers -= pair
            for one in pair:
                one.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_answer: bool) -> None:
        while data := await reader.read(CHUNK_BYTES):
            if not self._flows.is_set():
                self.felt += 1
                await self._flows.wait()
            if is_answer and self._answers_to_lose > 0:
                self._answers_to_lose -= 1
                self.felt += 1
                raise ConnectionResetError
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError


@dataclass(frozen=True)
class Request:
    """One HTTP request, whole."""

    method: str
    target: str
    headers: dict[str, str]
    head: bytes
    body: bytes

    @property
    def call(self) -> str:
        """What SQS is asked to do; empty for S3."""
        return self.headers.get("x-amz-target", "").partition(".")[2]

    @property
    def is_s3(self) -> bool:
        return not self.call

    @property
    def raw(self) -> bytes:
        return self.head + self.body


# What becomes of a request: a whole answer, nothing for a cut connection.
Answer = bytes | None
# Passes a request on and gives its answer.
Forward = Callable[[Request], Awaitable[bytes]]
# A fault that is asked about every request; None where the request is none of its business.
Meddler = Callable[[Request, Forward], Awaitable[Answer] | None]


class HttpProxy:
    """One request at a time on each connection, each shown to whoever wants to meddle."""

    def __init__(self, target_port: int):
        self.target_port = target_port
        self.port = 0
        self.requests = 0
        self.meddlers: list[Meddler] = []

    async def start(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=MOST_HEAD_BYTES)
        self.port = server.sockets[0].getsockname()[1]

    async def send(self, request: Request) -> bytes:
        """Passes a request on over a connection of its own."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.target_port, limit=MOST_HEAD_BYTES)
        try:
            writer.write(request.raw)
            await writer.drain()
            return await _read_answer(reader, request.method)
        finally:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

        async def forward(request: Request) -> bytes:
            nonlocal upstream
            is_fresh = upstream is None
            if upstream is None:
                upstream = await asyncio.open_connection("127.0.0.1", self.target_port, limit=MOST_HEAD_BYTES)
            try:
                upstream[1].write(request.raw)
                await upstream[1].drain()
                return await _read_answer(upstream[0], request.method)
            except (OSError, EOFError):
                upstream[1].transport.abort()
                upstream = None
                if is_fresh:
                    raise
                # The other side has closed a connection that was idle.
                return await forward(request)

        try:
            while (request := await _read_request(reader, writer)) is not None:
                self.requests += 1
                answer = await self._answer(request, forward)
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        except (OSError, EOFError):
            # Either side has gone: so does the other.
            pass
        finally:
            writer.transport.abort()
            if upstream is not None:
                upstream[1].transport.abort()

    async def _answer(self, request: Request, forward: Forward) -> Answer:
        for meddler in list(self.meddlers):
            meddled = meddler(request, forward)
            if meddled is not None:
                return await meddled
        return await forward(request)


def failure(status: int, request: Request, code: str) -> bytes:
    """An error as S3 or SQS would say it."""
    if request.is_s3:
        body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>injected</Message></Error>'.encode()
        kind = "application/xml"
        if request.method == "HEAD":
            body = b""
    else:
        body = f'{{"__type":"com.amazonaws.sqs#{code}","message":"injected"}}'.encode()
        kind = "application/x-amz-json-1.0"
    return (
        f"HTTP/1.1 {status} Injected\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    )


def success(body: bytes) -> bytes:
    """What SQS says when it has taken something."""
    return (
        f"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    )


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


async def _read_answer(reader: asyncio.StreamReader, method: str) -> bytes:
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
    """The body as it is on the wire, chunk sizes included."""
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
