// The form that sends one request, and what came back.

import { h, pretty } from "./dom.js";

/// The API's root: this page lies at /api/docs below it.
const BASE = location.href.replace(/[?#].*$/, "").replace(/\/api\/docs\/?$/, "");
const TOKEN = "semantik-token";

export const caller = {
  token: () => sessionStorage.getItem(TOKEN) ?? "",
  become: (token) => (token ? sessionStorage.setItem(TOKEN, token) : sessionStorage.removeItem(TOKEN)),
};

/// Sends a request of the API as the caller; the path is relative to the API's root.
export async function send(method, path, headers = {}, body = undefined) {
  const token = caller.token();
  const authorization = token ? { authorization: `Bearer ${token}` } : {};
  const started = performance.now();
  const response = await fetch(BASE + path, { method, headers: { ...authorization, ...headers }, body, redirect: "manual" });
  return { response, text: await response.text(), milliseconds: performance.now() - started };
}

/// The form below an operation.
export function form(schemas, method, path, parameters, requestBody) {
  const inputs = parameters.map((parameter) => ({ parameter, input: field(schemas, parameter) }));
  const [mediaType, content] = Object.entries(requestBody?.content ?? {})[0] ?? [];
  const body = content ? h("textarea", { rows: 10, spellcheck: "false", "aria-label": "Body" }) : null;
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
    answer.replaceChildren(h("p", {}, "waiting …"));
    const { url, headers, body: text } = request();
    try {
      answer.replaceChildren(...shown(await send(method, url, headers, text)));
    } catch (error) {
      answer.replaceChildren(h("p", { class: "bad" }, `no answer: ${error.message}`));
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
    body ? h("label", { class: "wide" }, h("span", {}, `body, ${mediaType}`), body) : null,
    h("div", { class: "row" }, h("button", { type: "submit" }, "Send"), h("button", { type: "button", class: "quiet", click: copy }, "Copy as curl")),
    answer);
}

function field(schemas, parameter) {
  const { schema } = schemas.withoutNull(parameter.schema);
  const attributes = { "aria-label": parameter.name, required: parameter.required ? "" : null };
  if (schema.enum || schema.type === "boolean") {
    const words = schema.enum?.filter((word) => word !== null) ?? [true, false];
    return h("select", attributes, h("option", { value: "" }, "–"), words.map((word) => h("option", {}, String(word))));
  }
  return h("input", { ...attributes, placeholder: schemas.type(parameter.schema), spellcheck: "false", autocomplete: "off" });
}

function shown({ response, text, milliseconds }) {
  if (response.type === "opaqueredirect") return [h("p", { class: "good" }, "a redirect to another address; follow it with the curl command and --location")];
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
    body === "" ? h("p", {}, "no body") : h("pre", {}, body),
  ];
}

/// The same request for a shell. The token stays out of it: commands end up in histories and chats.
function curl(method, url, headers, body) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const parts = [`curl -i -X ${method} ${quoted(BASE + url)}`];
  if (caller.token()) parts.push('-H "authorization: Bearer $TOKEN"');
  for (const [name, value] of Object.entries(headers)) parts.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (body !== undefined) parts.push(`-d ${quoted(body)}`);
  return parts.join(" \\\n  ");
}
