// The form that sends a request, and the response.

import { h, pretty } from "./dom.js";

/// The API's base URL; this page is at /api/docs below it.
const BASE = location.href.replace(/[?#].*$/, "").replace(/\/api\/docs\/?$/, "");
const TOKEN = "semantik-token";

export const caller = {
  token: () => sessionStorage.getItem(TOKEN) ?? "",
  setToken: (token) => (token ? sessionStorage.setItem(TOKEN, token) : sessionStorage.removeItem(TOKEN)),
};

/// Sends a request with the caller's credentials; the path is relative to the base URL.
export async function send(method, path, headers = {}, body = undefined) {
  const token = caller.token();
  const authorization = token ? { authorization: `Bearer ${token}` } : {};
  const started = performance.now();
  const response = await fetch(BASE + path, { method, headers: { ...authorization, ...headers }, body, redirect: "manual" });
  return { response, text: await response.text(), milliseconds: performance.now() - started };
}

/// Returns the form of an operation.
export function form(schemas, method, path, parameters, requestBody) {
  const inputs = parameters.map((parameter) => ({ parameter, input: field(schemas, parameter) }));
  const [mediaType, content] = Object.entries(requestBody?.content ?? {})[0] ?? [];
  const body = content ? h("textarea", { rows: 10, spellcheck: "false", "aria-label": "Request body" }) : null;
  if (body) {
    body.value = pretty(schemas.ofContent(content, true));
    body.rows = Math.min(18, body.value.split("\n").length + 1);
  }
  const answer = h("div", { class: "answer", "aria-live": "polite" });

  const request = () => {
    let url = path;
    const query = new URLSearchParams();
    const headers = body ? { "content-type": mediaType } : {};
    for (const { parameter, input } of inputs) {
      const value = input.value.trim();
      if (parameter.in === "path") url = url.replace(`{${parameter.name}}`, encodeURIComponent(value));
      else if (value !== "" && parameter.in === "query") query.append(parameter.name, value);
      else if (value !== "" && parameter.in === "header") headers[parameter.name.toLowerCase()] = value;
    }
    return { url: query.size ? `${url}?${query}` : url, headers, body: body?.value };
  };
  const submit = async (event) => {
    event.preventDefault();
    answer.replaceChildren(h("p", {}, "sending …"));
    const { url, headers, body: text } = request();
    try {
      answer.replaceChildren(...rendered(await send(method, url, headers, text)));
    } catch (error) {
      answer.replaceChildren(h("p", { class: "bad" }, `request failed: ${error.message}`));
    }
  };
  const copy = async (event) => {
    const { url, headers, body: text } = request();
    await navigator.clipboard.writeText(curl(method, url, headers, text));
    event.target.textContent = "copied";
  };
  return h("form", { class: "try", submit },
    h("h4", {}, "Try it"),
    inputs.map(({ parameter, input }) => h("label", {}, h("span", {}, parameter.name, parameter.required ? " *" : ""), input)),
    body ? h("label", { class: "wide" }, h("span", {}, `request body, ${mediaType}`), body) : null,
    h("div", { class: "row" }, h("button", { type: "submit" }, "Send"), h("button", { type: "button", class: "quiet", click: copy }, "Copy as curl")),
    answer);
}

function field(schemas, parameter) {
  const { schema } = schemas.withoutNull(parameter.schema);
  const attributes = { "aria-label": parameter.name, required: parameter.required ? "" : null };
  if (schema.enum || schema.type === "boolean") {
    const values = schema.enum?.filter((value) => value !== null) ?? [true, false];
    return h("select", attributes, h("option", { value: "" }, "–"), values.map((value) => h("option", {}, String(value))));
  }
  return h("input", { ...attributes, placeholder: schemas.type(parameter.schema), spellcheck: "false", autocomplete: "off" });
}

function rendered({ response, text, milliseconds }) {
  if (response.type === "opaqueredirect") return [h("p", { class: "good" }, "a redirect to another URL; follow it with the curl command and --location")];
  let body = text;
  if (/json/.test(response.headers.get("content-type") ?? "")) {
    try {
      body = pretty(JSON.parse(text));
    } catch {
      body = text;
    }
  }
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  return [
    h("p", { class: response.ok ? "good" : "bad" }, `${response.status} ${response.statusText} `, h("span", {}, `in ${milliseconds.toFixed(0)} ms`)),
    h("details", {}, h("summary", {}, "headers"), h("pre", {}, headers)),
    body === "" ? h("p", {}, "empty body") : h("pre", {}, body),
  ];
}

/// Returns the request as a curl command, without the token: commands end up in shell histories and chats.
function curl(method, url, headers, body) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const parts = [`curl -i -X ${method} ${quoted(BASE + url)}`];
  if (caller.token()) parts.push('-H "authorization: Bearer $TOKEN"');
  for (const [name, value] of Object.entries(headers)) parts.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (body !== undefined) parts.push(`-d ${quoted(body)}`);
  return parts.join(" \\\n  ");
}
