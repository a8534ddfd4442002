"""Forwards TCP ports of another address of this machine to 127.0.0.1, for containers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from local_stack.proxy import Loop, TcpProxy
from local_stack.settings import StackError


@contextlib.contextmanager
def ports(address: str, numbers: list[int]) -> Iterator[None]:
    """Forwards the ports inside of the `with` block. 127.0.0.1 needs no forwarding."""
    if address == "127.0.0.1":
        yield
        return
    loop = Loop()
    started: list[TcpProxy] = []
    try:
        for number in numbers:
            proxy = TcpProxy(number, address, number)
            try:
                loop.run(proxy.start())
            except OSError as error:
                raise StackError(f"{address}:{number} cannot be forwarded to 127.0.0.1: {error.strerror}") from error
            started.append(proxy)
        yield
    finally:
        for proxy in started:
            loop.run(proxy.stop())
        loop.stop()
