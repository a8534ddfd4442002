// From an account to a search result and back, with openapi-fetch typed by the OpenAPI document. Prints the routes that it
// called. Usage: node journey.ts API_URL

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";

import createClient from "openapi-fetch";

import type { components, paths } from "./schema.d.ts";

type Operation = components["schemas"]["OperationResponse"];

const baseUrl = process.argv[2];
assert(baseUrl, "usage: node journey.ts API_URL");
const called = new Set<string>();
const client = createClient<paths>({ baseUrl });
client.use({
  onRequest({ request, schemaPath }) {
    called.add(`${request.method} ${schemaPath}`);
  },
});

/** Returns the data of a response; fails with the problem document of an error. */
function success<Data>(result: { data?: Data; error?: unknown; response: Response }): Data {
  assert(result.data !== undefined, `${result.response.status}: ${JSON.stringify(result.error)}`);
  return result.data;
}

/** Waits until the operation has ended. */
async function waitFor(operation_id: string): Promise<Operation> {
  const deadline = Date.now() + 120_000;
  for (;;) {
    const params = { path: { operation_id }, query: { wait_seconds: 20 } };
    const operation = success(await client.GET("/api/v2/operations/{operation_id}", { params }));
    if (operation.completed_at) return operation;
    assert(Date.now() < deadline, `operation ${operation_id} is ${operation.status} after two minutes`);
  }
}

const username = `typescript_${randomBytes(6).toString("hex")}`;
const password = randomBytes(18).toString("base64url");
success(await client.POST("/api/auth/register", { body: { username, password, email: `${username}@example.org` } }));
const tokens = success(await client.POST("/api/auth/login", { body: { username, password } }));
client.use({
  onRequest({ request }) {
    request.headers.set("Authorization", `Bearer ${tokens.access_token}`);
    return request;
  },
});

const { id: collection_id, initial_operation_id } = success(
  await client.POST("/api/v2/collections", { body: { name: `Tides ${username}`, metadata: { shelf: 3 } } }),
);
if (initial_operation_id) await waitFor(initial_operation_id);

const text = "The Moon pulls the sea. Spring tides follow the new moon and the full moon.";
const { uploads } = success(
  await client.POST("/api/v2/collections/{collection_id}/uploads", {
    params: { path: { collection_id } },
    body: {
      files: [{
        name: "tides.txt", size: Buffer.byteLength(text), content_type: "text/plain",
        metadata: { topic: "tides", year: 2024, draft: false },
      }],
    },
  }),
);
const announced = uploads[0];
assert(announced);
const put = await fetch(announced.url, { method: announced.method, headers: announced.headers, body: text });
assert(put.ok, `${put.status} for the PUT to the presigned URL`);

let operation_id: string | null | undefined;
for (const deadline = Date.now() + 60_000; !operation_id; ) {
  assert(Date.now() < deadline, "the upload has not been received after a minute");
  const params = { path: { collection_id, upload_id: announced.id } };
  const upload = success(await client.GET("/api/v2/collections/{collection_id}/uploads/{upload_id}", { params }));
  operation_id = upload.operation_id;
  if (!operation_id) await new Promise((resolve) => setTimeout(resolve, 200));
}
assert.equal((await waitFor(operation_id)).status, "completed");

const found = success(
  await client.POST("/api/v2/search", {
    body: {
      collection_uuids: [collection_id], query: "what causes tides", search_mode: "hybrid",
      metadata_filter: { attributes: { topic: "tides", year: [2023, 2024] } },
    },
  }),
);
const hit = found.results[0];
assert.equal(hit?.document_metadata["year"], 2024);
const document_id = hit.document_id;

const path = { collection_id, document_id };
const document = success(await client.GET("/api/v2/collections/{collection_id}/documents/{document_id}", { params: { path } }));
assert.equal(document.status satisfies components["schemas"]["DocumentStatus"], "completed");
const extracted = success(
  await client.GET("/api/v2/collections/{collection_id}/documents/{document_id}/text", { params: { path } }),
);
assert.match(extracted.text, /Spring tides/);
const bytes = success(
  await client.GET("/api/v2/collections/{collection_id}/documents/{document_id}/content", {
    params: { path }, parseAs: "arrayBuffer",
  }),
);
assert.equal(new TextDecoder().decode(bytes as unknown as ArrayBuffer), text);

const deleted = await client.DELETE("/api/v2/collections/{collection_id}/documents/{document_id}", { params: { path } });
assert.equal(deleted.response.status, 204);
const gone = await client.DELETE("/api/v2/collections/{collection_id}", { params: { path: { collection_id } } });
assert.equal(gone.response.status, 204);
const missing = await client.GET("/api/v2/collections/{collection_id}", { params: { path: { collection_id } } });
assert.equal(missing.error?.status, 404);

console.log([...called].sort().join("\n"));
