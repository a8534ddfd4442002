"""S3 of LocalStack with conditional deletions (`If-Match`), which LocalStack 4.14 answers with 501."""

from __future__ import annotations

from collections.abc import Awaitable

from local_stack.proxy import Forward, HttpProxy, Request, Response, failure

CONDITION = "if-match"


def proxy(target_port: int, port: int) -> HttpProxy:
    """Returns a proxy in front of LocalStack."""
    proxy = HttpProxy(target_port, port)
    proxy.interceptors.append(delete_if_match)
    return proxy


def delete_if_match(request: Request, forward: Forward) -> Awaitable[Response] | None:
    """Compares the ETag, then deletes without the condition. Not in one step, as S3 does."""
    if request.method != "DELETE" or CONDITION not in request.headers:
        return None
    return _delete(request, forward)


async def _delete(request: Request, forward: Forward) -> Response:
    lines = [line for line in request.head.split(b"\r\n") if not line.lower().startswith(CONDITION.encode())]
    unconditional = Request(request.method, request.target, request.headers, b"\r\n".join(lines), request.body)
    look = b"\r\n".join([b"HEAD" + lines[0].removeprefix(b"DELETE"), *lines[1:]])
    found = await forward(Request("HEAD", request.target, request.headers, look, request.body))
    status, etag = _status_and_etag(found)
    if status == 404:
        return failure(404, request, "NoSuchKey")
    if etag != request.headers[CONDITION].strip('"'):
        return failure(412, request, "PreconditionFailed")
    return await forward(unconditional)


def _status_and_etag(response: bytes) -> tuple[int, str]:
    first, *headers = response.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    etags = [line.partition(":")[2].strip().strip('"') for line in headers if line.lower().startswith("etag:")]
    return int(first.split(" ")[1]), etags[0] if etags else ""
