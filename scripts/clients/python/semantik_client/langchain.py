"""A retriever for LangChain."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import Field, SecretStr

from .client import AuthenticatedClient
from .retrieval import Passage, Search, connect


class SemantikRetriever(BaseRetriever):
    """Returns the passages that a search in the collections finds, best first."""

    base_url: str
    """Address of the API."""
    api_key: SecretStr
    """An API key with read access to the collections."""
    collections: list[str] = Field(min_length=1, max_length=10)
    """Ids of the collections."""
    k: int = Field(default=4, ge=1, le=100)
    """Number of passages."""
    search_mode: str | None = None
    """`dense`, `sparse` or `hybrid`; by default what the key's user prefers."""
    metadata_filter: dict[str, Any] | None = None
    """Conditions on documents, as `metadata_filter` of the API."""

    def _client(self) -> AuthenticatedClient:
        return connect(self.base_url, self.api_key.get_secret_value())

    def _search(self, overrides: dict[str, Any]) -> Search:
        return Search.of(
            overrides.get("collections", self.collections), overrides.get("k", self.k),
            overrides.get("search_mode", self.search_mode), overrides.get("metadata_filter", self.metadata_filter),
        )

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any,
    ) -> list[Document]:
        with self._client() as client:
            return [_document(passage) for passage in self._search(kwargs).run(client, query)]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any,
    ) -> list[Document]:
        async with self._client() as client:
            return [_document(passage) for passage in await self._search(kwargs).run_async(client, query)]


def _document(passage: Passage) -> Document:
    return Document(id=passage.id, page_content=passage.text, metadata=passage.metadata)
