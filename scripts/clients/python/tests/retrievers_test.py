"""The retrievers with LangChain and Haystack, against a running stack (API_URL)."""

from __future__ import annotations

import asyncio
import os
import secrets
import unittest

from haystack import Pipeline
from haystack.utils import Secret
from journey import TEXT, sign_up, upload, wait_for
from langchain_core.runnables import RunnableLambda
from semantik_client import AuthenticatedClient, ProblemError, haystack, langchain, success
from semantik_client.api.api_keys import create_api_key
from semantik_client.api.collections import create_collection, delete_collection
from semantik_client.models import (
    ApiKeyScope,
    ApiKeySecretResponse,
    CollectionResponse,
    CreateApiKeyRequest,
    CreateCollectionRequest,
)

API_URL = os.environ["API_URL"]
QUERY = "what causes tides"


class Retrievers(unittest.TestCase):
    client: AuthenticatedClient
    collection: CollectionResponse
    key: str

    @classmethod
    def setUpClass(cls) -> None:
        """Makes a collection with a document, and an API key that may only read it."""
        cls.client = sign_up(API_URL)
        request = CreateCollectionRequest(name=f"Retrievers {secrets.token_hex(4)}")
        cls.collection = success(create_collection.sync_detailed(client=cls.client, body=request), CollectionResponse)
        wait_for(cls.client, upload(cls.client, cls.collection.id))
        key = CreateApiKeyRequest(name="retrievers", scope=ApiKeyScope.READ, collection_ids=[cls.collection.id])
        cls.key = success(create_api_key.sync_detailed(client=cls.client, body=key), ApiKeySecretResponse).api_key

    @classmethod
    def tearDownClass(cls) -> None:
        delete_collection.sync_detailed(cls.collection.id, client=cls.client)

    def langchain_retriever(self, **settings: object) -> langchain.SemantikRetriever:
        given = {"base_url": API_URL, "api_key": self.key, "collections": [str(self.collection.id)]} | settings
        return langchain.SemantikRetriever.model_validate(given)

    def haystack_retriever(self) -> haystack.SemantikRetriever:
        return haystack.SemantikRetriever(API_URL, [str(self.collection.id)], Secret.from_token(self.key))

    def test_langchain_returns_passages_with_their_origin(self) -> None:
        (document,) = self.langchain_retriever().invoke(QUERY)
        self.assertEqual(document.page_content, TEXT.decode())
        self.assertEqual(document.metadata["file_name"], "tides.txt")
        self.assertEqual(document.metadata["document_metadata"], {"topic": "tides", "year": 2024, "draft": False})
        self.assertTrue(document.metadata["url"])
        self.assertTrue(document.id)

    def test_langchain_composes_and_runs_asynchronously(self) -> None:
        chain = self.langchain_retriever(search_mode="hybrid") | RunnableLambda(len)
        self.assertEqual(chain.invoke(QUERY), 1)
        self.assertEqual(asyncio.run(chain.ainvoke(QUERY)), 1)

    def test_langchain_filters_by_metadata(self) -> None:
        retriever = self.langchain_retriever(metadata_filter={"attributes": {"topic": "bread"}})
        self.assertEqual(retriever.invoke(QUERY), [])
        (document,) = retriever.invoke(QUERY, metadata_filter={"attributes": {"year": [2023, 2024]}})
        self.assertEqual(document.page_content, TEXT.decode())

    def test_langchain_reports_what_the_api_refused(self) -> None:
        with self.assertRaises(ProblemError) as refused:
            self.langchain_retriever(api_key="smtk_wrong").invoke(QUERY)
        self.assertEqual(refused.exception.problem.status, 401)

    def test_haystack_runs_in_a_pipeline(self) -> None:
        pipeline = Pipeline()
        pipeline.add_component("retriever", self.haystack_retriever())
        (document,) = pipeline.run({"retriever": {"query": QUERY, "top_k": 3}})["retriever"]["documents"]
        self.assertEqual(document.content, TEXT.decode())
        self.assertGreater(document.score, 0)
        self.assertEqual(document.meta["file_name"], "tides.txt")
        found = self.haystack_retriever().run(QUERY, filters={"attributes": {"topic": "bread"}})
        self.assertEqual(found, {"documents": []})

    def test_haystack_is_stored_without_its_key(self) -> None:
        retriever = haystack.SemantikRetriever(API_URL, [str(self.collection.id)], top_k=7)
        stored = retriever.to_dict()
        self.assertNotIn(self.key, str(stored))
        again = haystack.SemantikRetriever.from_dict(stored)
        self.assertEqual((again.top_k, again.collections), (7, retriever.collections))
        os.environ["SEMANTIK_API_KEY"] = self.key
        self.addCleanup(os.environ.pop, "SEMANTIK_API_KEY")
        self.assertEqual(len(again.run(QUERY)["documents"]), 1)


if __name__ == "__main__":
    unittest.main()
