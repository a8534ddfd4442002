"""What both retrievers share: one search, and its hits as text with metadata."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from .api.search import search_collections
from .client import AuthenticatedClient
from .models.search_mode import SearchMode
from .models.search_request import SearchRequest
from .models.search_response import SearchResponse
from .models.search_result import SearchResult
from .result import success

# A search that loads a model takes seconds.
TIMEOUT_SECONDS = 60.0
# Fields of a hit that are metadata of a passage, if they have a value.
FIELDS = (
    "url", "file_name", "file_path", "title", "section_path", "first_page", "last_page", "first_line", "last_line",
    "collection_name", "score",
)


@dataclass(frozen=True)
class Passage:
    """The text of a hit, with where it is from."""

    id: str
    text: str
    score: float
    metadata: dict[str, Any]


@dataclass(frozen=True)
class Search:
    """A search in some collections. `filters` is the `metadata_filter` of the API."""

    collections: tuple[UUID, ...]
    k: int
    mode: str | None
    filters: Mapping[str, Any] | None

    @classmethod
    def of(
        cls, collections: Iterable[str | UUID], k: int, mode: str | None, filters: Mapping[str, Any] | None,
    ) -> Search:
        return cls(tuple(UUID(str(collection)) for collection in collections), k, mode, filters)

    def request(self, query: str) -> SearchRequest:
        body: dict[str, Any] = {"collection_uuids": [str(id) for id in self.collections], "query": query, "k": self.k}
        if self.mode is not None:
            body["search_mode"] = SearchMode(self.mode).value
        if self.filters:
            body["metadata_filter"] = dict(self.filters)
        return SearchRequest.from_dict(body)

    def run(self, client: AuthenticatedClient, query: str) -> list[Passage]:
        response = search_collections.sync_detailed(client=client, body=self.request(query))
        return passages(success(response, SearchResponse))

    async def run_async(self, client: AuthenticatedClient, query: str) -> list[Passage]:
        response = await search_collections.asyncio_detailed(client=client, body=self.request(query))
        return passages(success(response, SearchResponse))


def connect(base_url: str, api_key: str) -> AuthenticatedClient:
    """Returns a client that follows redirects to presigned URLs."""
    timeout = httpx.Timeout(TIMEOUT_SECONDS)
    return AuthenticatedClient(base_url=base_url, token=api_key, timeout=timeout, follow_redirects=True)


def passages(response: SearchResponse) -> list[Passage]:
    return [passage(result) for result in response.results]


def passage(result: SearchResult) -> Passage:
    given = result.to_dict()
    metadata = {name: given[name] for name in FIELDS if given.get(name) not in (None, [])}
    metadata |= {
        "document_id": str(result.document_id),
        "collection_id": str(result.collection_id),
        "document_metadata": given["document_metadata"],
    }
    return Passage(id=str(result.chunk_id), text=result.text, score=result.score, metadata=metadata)
