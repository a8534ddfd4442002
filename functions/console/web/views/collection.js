// One collection: its state, and a tab for each thing that can be done with it.
import { html } from "../parts/html.js";
import { get } from "../parts/api.js";
import { bytes, integer } from "../parts/format.js";
import { useLoad } from "../parts/load.js";
import { to } from "../parts/route.js";
import { Heading, Loaded, State } from "../parts/ui.js";
import { Audit } from "./audit.js";
import { Documents } from "./documents.js";
import { Operations } from "./operations.js";
import { Settings } from "./settings.js";
import { Sharing } from "./sharing.js";
import { Sources } from "./sources.js";
import { Usage } from "./usage.js";

const LEVELS = ["read", "write", "admin", "owner"];
export const may = ({ access }, level) => LEVELS.indexOf(access) >= LEVELS.indexOf(level);

// Path, name, the access that it needs, and the view.
const TABS = [
  ["documents", "Documents", "read", Documents],
  ["sources", "Sources", "write", Sources],
  ["operations", "Operations", "read", Operations],
  ["sharing", "Sharing", "admin", Sharing],
  ["settings", "Settings", "admin", Settings],
  ["usage", "Usage", "read", Usage],
  ["audit", "Audit log", "admin", Audit],
];

export function Collection({ id, tab = "documents", query, user }) {
  const loaded = useLoad(
    (signal) => get(`api/v2/collections/${id}`, { signal }), [id],
    (data) => (data && data.status !== "processing" && data.status !== "pending" ? 6000 : 1500));
  return html`
    <${Loaded} of=${loaded}>${(collection) => {
      const tabs = TABS.filter(([, , level]) => may(collection, level));
      const [path, name, , View] = tabs.find(([known]) => known === tab) ?? tabs[0];
      return html`
        <p class="crumbs"><a href=${to("collections")}>Collections</a></p>
        <div class="row apart">
          <${Heading} key=${path} title="${collection.name}: ${name}">${collection.name}<//>
          <a class="button" href=${to("search", { in: id })}>Search this collection</a>
        </div>
        <${Summary} collection=${collection} />
        <nav class="tabs" aria-label="Collection">
          ${tabs.map(([known, label]) => html`
            <a href=${to("collections", id, known)} aria-current=${known === path ? "page" : undefined}>${label}</a>`)}
        </nav>
        <${View} key=${path} collection=${collection} query=${query} user=${user} reload=${loaded.reload} />`;
    }}<//>`;
}

function Summary({ collection }) {
  const { status, status_message, document_count, vector_count, total_size_bytes, error_count, description } = collection;
  return html`
    <section class="card stack" aria-label="Status">
      ${description && html`<p>${description}</p>`}
      <dl class="facts">
        <div><dt>Status</dt><dd aria-live="polite"><${State} value=${status} /></dd></div>
        <div><dt>Documents</dt><dd>${integer(document_count)}</dd></div>
        <div><dt>Passages</dt><dd>${integer(vector_count)}</dd></div>
        <div><dt>Size</dt><dd>${bytes(total_size_bytes)}</dd></div>
        ${error_count > 0 && html`<div><dt>Failed</dt><dd><a href=${to("collections", collection.id, "documents", { status: "failed" })}>${integer(error_count)}</a></dd></div>`}
      </dl>
      ${status_message && html`<p class="notice warn">${status_message}</p>`}
    </section>`;
}
