"""Runs one journey with the official Python SDK: sdk.py MODE URL DOCUMENT, the key in MCP_TEST_KEY.

Prints the revision that was agreed on. Runs in the environment of scripts/mcp_clients/requirements.lock.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

TOOLS = ["search", "fetch", "list_collections", "list_documents", "find_similar"]


async def journey(mode: Any, url: str, file_name: str) -> str:
    http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {os.environ['MCP_TEST_KEY']}"}, timeout=60)
    async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:

        async def call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
            # The SDK validates the result against the tool's output schema.
            result = await client.call_tool(name, arguments)
            assert not result.is_error, result
            structured: dict[str, Any] = result.structured_content
            return structured

        assert [tool.name for tool in (await client.list_tools()).tools] == TOOLS
        found = (await call("search", {"query": "why does the sea rise", "limit": 1}))["results"][0]
        assert found["file_name"] == file_name, found
        fetched = await call("fetch", {"id": found["id"]})
        assert "Moon" in fetched["text"] and fetched["url"], fetched
        collection = (await call("list_collections", {}))["collections"][0]
        assert (await call("list_documents", {"collection": collection["name"]}))["total"] >= 1
        await call("find_similar", {"id": found["id"]})
        refused = await client.call_tool("fetch", {"id": "x"})
        assert refused.is_error and refused.content[0].text.startswith("id: wrong format"), refused
        try:
            await client.call_tool("delete_everything", {})
        except MCPError as error:
            assert "Unknown tool" in str(error), error
        else:
            raise AssertionError("an unknown tool was called")
        resource = (await client.list_resources()).resources[0]
        read = await client.read_resource(resource.uri)
        assert json.loads(read.contents[0].text)["name"] == resource.name, read
        version: str = client.session.protocol_version
        return version


if __name__ == "__main__":
    print(asyncio.run(journey(*sys.argv[1:])))
