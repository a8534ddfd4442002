"""A retriever component for Haystack."""

from __future__ import annotations

from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict
from haystack.utils import Secret, deserialize_secrets_inplace

from .retrieval import Search, connect


@component
class SemantikRetriever:
    """Returns the passages that a search in the collections finds, best first.

    `filters` are the `metadata_filter` of the API, not Haystack's own filters.
    """

    def __init__(
        self,
        base_url: str,
        collections: list[str],
        api_key: Secret | None = None,
        top_k: int = 10,
        search_mode: str | None = None,
        filters: dict[str, Any] | None = None,
    ):
        self.base_url = base_url
        self.collections = [str(collection) for collection in collections]
        self.api_key = api_key or Secret.from_env_var("SEMANTIK_API_KEY")
        self.top_k = top_k
        self.search_mode = search_mode
        self.filters = filters

    def to_dict(self) -> dict[str, Any]:
        """The settings, with the name of the key's variable instead of the key."""
        return default_to_dict(
            self, base_url=self.base_url, collections=self.collections, api_key=self.api_key.to_dict(),
            top_k=self.top_k, search_mode=self.search_mode, filters=self.filters,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> SemantikRetriever:
        deserialize_secrets_inplace(data["init_parameters"], keys=["api_key"])
        return default_from_dict(cls, data)

    @component.output_types(documents=list[Document])
    def run(
        self, query: str, top_k: int | None = None, filters: dict[str, Any] | None = None,
    ) -> dict[str, list[Document]]:
        """Searches; `top_k` and `filters` replace those of the component."""
        search = Search.of(self.collections, top_k or self.top_k, self.search_mode, filters or self.filters)
        with connect(self.base_url, self.api_key.resolve_value() or "") as client:
            found = search.run(client, query)
        return {"documents": [
            Document(id=passage.id, content=passage.text, meta=passage.metadata, score=passage.score)
            for passage in found
        ]}
