// Renders the page from openapi.json.

import { caller, form, send } from "./call.js";
import { h, inline, pretty, prose } from "./dom.js";
import { Schemas } from "./schema.js";

const METHODS = ["get", "post", "put", "patch", "delete"];
const $ = (id) => document.getElementById(id);

/// Descriptions of `x-access` values.
const ACCESS = {
  public: "no credentials", "user-session": "an access token", superuser: "an access token of a superuser",
  "caller:read": "any credentials", "caller:write": "credentials with write scope", "caller:admin": "credentials with admin scope",
};

function access(operation) {
  const need = operation["x-access"];
  if (need === undefined) return null;
  const [what, level] = need.split(":");
  if (what === "unrestricted-key") return `${ACCESS[`caller:${level}`]}, not restricted to some collections`;
  if (what === "collection-user-session") return `${level} access to the collection, with an access token`;
  return ACCESS[need] ?? `${level} access to the ${what}`;
}

/// Groups the operations by tag, in the order of the document.
function groups(description) {
  const all = Object.entries(description.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => {
      const operation = item[method];
      const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])];
      return { path, method, operation, parameters, id: operation.operationId ?? `${method}-${path}` };
    }));
  const tags = description.tags ?? [];
  const names = new Set([...tags.map((tag) => tag.name), ...all.map((one) => one.operation.tags?.[0] ?? "other")]);
  return [...names].map((name) => ({
    name,
    about: tags.find((tag) => tag.name === name)?.description ?? "",
    operations: all.filter((one) => (one.operation.tags?.[0] ?? "other") === name),
  })).filter((group) => group.operations.length > 0);
}

function parameterTable(schemas, parameters) {
  if (parameters.length === 0) return null;
  const rows = parameters.map((parameter) => {
    const bounds = schemas.bounds(parameter.schema);
    return h("div", { class: "field" },
      h("dt", {}, h("code", {}, parameter.name), parameter.required ? h("span", { class: "required" }, "required") : null),
      h("dd", {}, h("span", { class: "type" }, `${parameter.in}, ${schemas.type(parameter.schema)}`, bounds ? `, ${bounds}` : ""),
        h("span", {}, inline(parameter.description ?? ""))));
  });
  return h("section", {}, h("h4", {}, "Parameters"), h("dl", { class: "fields" }, rows));
}

function content(schemas, media) {
  return Object.entries(media ?? {}).map(([type, one]) => {
    const fields = schemas.fields(one.schema);
    const isJson = /json/.test(type);
    return h("div", { class: "content" },
      h("p", { class: "type" }, `${type}: ${schemas.type(one.schema)}`),
      fields ? h("details", {}, h("summary", {}, "fields"), fields) : null,
      isJson ? h("details", {}, h("summary", {}, "example"), h("pre", {}, pretty(schemas.ofContent(one)))) : null);
  });
}

function responses(schemas, operation) {
  const rows = Object.entries(operation.responses ?? {}).map(([status, one]) => {
    const response = schemas.resolve(one);
    const headers = Object.entries(response.headers ?? {}).map(([name, header]) =>
      h("li", {}, h("code", {}, name), " ", inline(schemas.resolve(header).description ?? "")));
    return h("details", { class: `response s${status[0]}` },
      h("summary", {}, h("strong", {}, status), " ", inline(response.description ?? "")),
      headers.length ? h("ul", {}, headers) : null,
      content(schemas, response.content));
  });
  return h("section", {}, h("h4", {}, "Responses"), rows);
}

function details(schemas, { path, method, operation, parameters }) {
  const resolved = parameters.map((parameter) => schemas.resolve(parameter));
  const body = operation.requestBody ? schemas.resolve(operation.requestBody) : null;
  const need = access(operation);
  const bodyFields = body ? Object.values(body.content)[0] : null;
  return [
    h("div", { class: "read" },
      prose(operation.description),
      need ? h("p", { class: "need" }, "Requires: ", h("strong", {}, need)) : null,
      parameterTable(schemas, resolved),
      bodyFields ? h("section", {}, h("h4", {}, "Request body"), schemas.fields(bodyFields.schema) ?? h("p", { class: "type" }, schemas.type(bodyFields.schema))) : null,
      responses(schemas, operation)),
    form(schemas, method.toUpperCase(), path, resolved, body),
  ];
}

/// A collapsed operation; its details are rendered when it is first opened.
function operationElement(schemas, one) {
  const inside = h("div", { class: "inside" });
  const open = ({ target }) => {
    if (target === element && element.open && inside.childElementCount === 0) inside.append(...details(schemas, one));
  };
  const element = h("details", { class: "operation", id: one.id, toggle: open },
    h("summary", {}, h("span", { class: `method ${one.method}` }, one.method.toUpperCase()), h("code", {}, one.path),
      h("span", { class: "summary" }, inline(one.operation.summary ?? ""))),
    inside);
  return element;
}

function draw(description) {
  const schemas = new Schemas(description);
  const { title, version, description: about } = description.info;
  document.title = `${title} API`;
  $("title").textContent = title;
  $("version").textContent = version;
  $("about").replaceChildren(h("h1", {}, `${title} API `, h("small", {}, version)), ...prose(about),
    h("p", {}, h("a", { href: "openapi.json" }, "openapi.json"), " has the same content for programs."));
  const drawn = groups(description).map((group) => ({ ...group, elements: group.operations.map((one) => operationElement(schemas, one)) }));
  $("operations").replaceChildren(...drawn.map((group) =>
    h("section", { class: "group", id: `tag-${group.name}` }, h("h2", {}, group.name, " ", h("small", {}, group.about)), group.elements)));
  $("contents").replaceChildren(...drawn.map((group) => h("details", { open: "", "data-tag": group.name },
    h("summary", {}, group.name),
    h("ul", {}, group.operations.map((one) => h("li", {}, h("a", { href: `#${one.id}`, title: `${one.method.toUpperCase()} ${one.path}` },
      h("span", { class: `method ${one.method}` }, one.method === "delete" ? "del" : one.method), one.operation.summary ?? one.path)))))));
  $("filter").addEventListener("input", () => filter(drawn));
  window.addEventListener("hashchange", jump);
  jump();
}

function filter(drawn) {
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const group of drawn) {
    const entries = $("contents").querySelectorAll(`[data-tag="${CSS.escape(group.name)}"] li`);
    group.operations.forEach((one, index) => {
      const text = `${one.method} ${one.path} ${one.operation.summary ?? ""} ${one.operation.description ?? ""}`.toLowerCase();
      const hidden = !words.every((word) => text.includes(word));
      group.elements[index].hidden = hidden;
      entries[index].hidden = hidden;
    });
    const empty = group.elements.every((element) => element.hidden);
    $(`tag-${group.name}`).hidden = empty;
    $("contents").querySelector(`[data-tag="${CSS.escape(group.name)}"]`).hidden = empty;
  }
}

function jump() {
  const target = $(decodeURIComponent(location.hash.slice(1)));
  if (target?.matches("details")) target.open = true;
  target?.scrollIntoView();
}

async function showCaller() {
  if (!caller.token()) return;
  try {
    const { response, text } = await send("GET", "/api/auth/me");
    const answer = JSON.parse(text);
    $("who").textContent = response.ok ? `Signed in as ${answer.username}.` : `Not signed in: ${answer.detail}`;
  } catch (error) {
    $("who").textContent = `Request failed: ${error.message}`;
  }
}

async function signIn() {
  const body = JSON.stringify({ username: $("username").value, password: $("password").value });
  const token = caller.token();
  caller.setToken("");
  const { response, text } = await send("POST", "/api/auth/login", { "content-type": "application/json" }, body);
  const answer = JSON.parse(text);
  caller.setToken(response.ok ? answer.access_token : token);
  $("password").value = "";
  if (response.ok) await showCaller();
  else $("who").textContent = answer.detail;
}

$("use-token").addEventListener("submit", (event) => {
  event.preventDefault();
  caller.setToken($("token").value.trim());
  $("token").value = "";
  if (caller.token()) showCaller();
  else $("who").textContent = "No credentials: only public routes work.";
});
$("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  signIn().catch((error) => { $("who").textContent = `Request failed: ${error.message}`; });
});

try {
  const { response, text } = await send("GET", "/api/openapi.json");
  if (!response.ok) throw new Error(`openapi.json returned ${response.status}`);
  draw(JSON.parse(text));
  await showCaller();
} catch (error) {
  $("operations").replaceChildren(h("p", { class: "bad" }, `Cannot load the API reference: ${error.message}`));
}
