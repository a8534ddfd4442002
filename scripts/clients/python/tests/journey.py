"""From an account to a search result and back, with the generated client. Usage: journey.py API_URL"""

from __future__ import annotations

import secrets
import sys
import time
from uuid import UUID

import httpx
from semantik_client import AuthenticatedClient, Client, ProblemError, success
from semantik_client.api.auth import login, register
from semantik_client.api.collections import create_collection, delete_collection, get_collection
from semantik_client.api.documents import delete_document, download_document, get_document, get_document_text
from semantik_client.api.operations import get_operation
from semantik_client.api.search import search_collections
from semantik_client.api.uploads import announce_uploads, get_upload
from semantik_client.models import (
    AnnouncedFile,
    AnnouncedUploadsResponse,
    AnnounceUploadsRequest,
    CollectionResponse,
    CreateCollectionRequest,
    DocumentMetadata,
    DocumentResponse,
    DocumentStatus,
    LoginRequest,
    MetadataConditions,
    MetadataFilter,
    OperationResponse,
    OperationStatus,
    RegisterRequest,
    SearchMode,
    SearchRequest,
    SearchResponse,
    TextResponse,
    TokenResponse,
    UploadResponse,
    UserResponse,
)
from semantik_client.types import File

TEXT = b"The Moon pulls the sea. Spring tides follow the new moon and the full moon."
LIMIT_SECONDS = 120


def sign_up(api_url: str) -> AuthenticatedClient:
    anonymous = Client(base_url=api_url)
    username, password = f"python_{secrets.token_hex(6)}", secrets.token_urlsafe(18)
    account = RegisterRequest(username=username, password=password, email=f"{username}@example.org")
    success(register.sync_detailed(client=anonymous, body=account), UserResponse)
    tokens = success(
        login.sync_detailed(client=anonymous, body=LoginRequest(username=username, password=password)), TokenResponse)
    return AuthenticatedClient(
        base_url=api_url, token=tokens.access_token, follow_redirects=True, timeout=httpx.Timeout(60))


def wait_for(client: AuthenticatedClient, operation_id: UUID) -> OperationResponse:
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        response = get_operation.sync_detailed(operation_id, client=client, wait_seconds=20)
        operation = success(response, OperationResponse)
        if operation.completed_at:
            return operation
    raise TimeoutError(f"operation {operation_id} has not ended after {LIMIT_SECONDS} s")


def upload(client: AuthenticatedClient, collection_id: UUID) -> UUID:
    """Uploads the text and returns the operation that indexes it."""
    metadata = DocumentMetadata.from_dict({"topic": "tides", "year": 2024, "draft": False})
    file = AnnouncedFile(name="tides.txt", size=len(TEXT), content_type="text/plain", metadata=metadata)
    request = AnnounceUploadsRequest(files=[file])
    announced = success(
        announce_uploads.sync_detailed(collection_id, client=client, body=request), AnnouncedUploadsResponse).uploads[0]
    headers = announced.headers.additional_properties
    httpx.request(announced.method, announced.url, headers=headers, content=TEXT).raise_for_status()
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        received = success(get_upload.sync_detailed(collection_id, announced.id, client=client), UploadResponse)
        if isinstance(received.operation_id, UUID):
            return received.operation_id
        time.sleep(0.2)
    raise TimeoutError(f"the upload has not been received after {LIMIT_SECONDS} s")


def main(api_url: str) -> None:
    client = sign_up(api_url)
    request = CreateCollectionRequest(name=f"Tides {secrets.token_hex(4)}")
    collection = success(create_collection.sync_detailed(client=client, body=request), CollectionResponse)
    assert wait_for(client, upload(client, collection.id)).status is OperationStatus.COMPLETED

    conditions = MetadataConditions.from_dict({"topic": "tides", "year": [2023, 2024]})
    search = SearchRequest(
        query="what causes tides", collection_uuids=[collection.id], search_mode=SearchMode.HYBRID,
        metadata_filter=MetadataFilter(attributes=conditions))
    hit = success(search_collections.sync_detailed(client=client, body=search), SearchResponse).results[0]
    assert hit.document_metadata["year"] == 2024, hit

    ids = (collection.id, hit.document_id)
    document = success(get_document.sync_detailed(*ids, client=client), DocumentResponse)
    assert document.status is DocumentStatus.COMPLETED, document
    text = success(get_document_text.sync_detailed(*ids, client=client), TextResponse).text
    assert "Spring tides" in text, text
    content = success(download_document.sync_detailed(*ids, client=client), File)
    assert content.payload.read() == TEXT

    assert delete_document.sync_detailed(*ids, client=client).status_code == 204
    assert delete_collection.sync_detailed(collection.id, client=client).status_code == 204
    try:
        success(get_collection.sync_detailed(collection.id, client=client), CollectionResponse)
    except ProblemError as error:
        assert error.problem.status == 404, error
    else:
        raise AssertionError("the deleted collection is still there")


if __name__ == "__main__":
    main(*sys.argv[1:])
