// Runs one journey with an official TypeScript SDK: node sdk.mjs SDK MODE URL DOCUMENT, the key in MCP_TEST_KEY.
// Prints the revision that was agreed on.

import assert from "node:assert/strict";

const [sdk, mode, url, fileName] = process.argv.slice(2);
const options = { requestInit: { headers: { Authorization: `Bearer ${process.env.MCP_TEST_KEY}` } } };

async function connect() {
  if (sdk === "client") {
    const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
    const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode } });
    const transport = new StreamableHTTPClientTransport(new URL(url), options);
    await client.connect(transport);
    return [client, client.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion];
  }
  const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
  const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
  const client = new Client({ name: "test", version: "1" });
  const transport = new StreamableHTTPClientTransport(new URL(url), options);
  await client.connect(transport);
  return [client, transport.protocolVersion];
}

const [client, version] = await connect();
const { tools } = await client.listTools();
assert.deepEqual(
  tools.map((tool) => tool.name),
  ["search", "fetch", "list_collections", "list_documents", "find_similar"],
);
const call = async (name, args) => {
  const result = await client.callTool({ name, arguments: args });
  assert.ok(!result.isError, JSON.stringify(result));
  return result.structuredContent;
};
const found = await call("search", { query: "why does the sea rise", limit: 1 });
assert.equal(found.results[0].file_name, fileName);
const fetched = await call("fetch", { id: found.results[0].id });
assert.ok(fetched.text.includes("Moon") && fetched.url, JSON.stringify(fetched));
const { collections } = await call("list_collections", {});
const listed = await call("list_documents", { collection: collections[0].id });
assert.ok(listed.total >= 1);
await call("find_similar", { id: found.results[0].id });
const refused = await client.callTool({ name: "fetch", arguments: { id: "x" } });
assert.ok(refused.isError && refused.content[0].text.startsWith("id: wrong format"), JSON.stringify(refused));
await assert.rejects(client.callTool({ name: "delete_everything", arguments: {} }), /Unknown tool/);
const { resources } = await client.listResources();
const read = await client.readResource({ uri: resources[0].uri });
assert.equal(JSON.parse(read.contents[0].text).name, resources[0].name);
await client.close();
console.log(version);
