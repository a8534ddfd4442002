// The documents of a collection, and the way to add more.
import { html, useEffect, useState } from "../parts/html.js";
import { get, post, remove } from "../parts/api.js";
import { ago, bytes, count, integer } from "../parts/format.js";
import { useAction, useLoad } from "../parts/load.js";
import { to } from "../parts/route.js";
import { Choice, Confirm, Loaded, Pager, Problem, State, Table, Text, useForm } from "../parts/ui.js";
import { may } from "./collection.js";
import { Upload } from "./upload.js";

const PER_PAGE = 50;
const STATES = ["pending", "processing", "completed", "failed", "skipped", "cancelled", "deleted"];

export function Documents({ collection, query, reload }) {
  const { id } = collection;
  const form = useForm({ search: "", status: query.status ?? "", sort_by: "updated_at" });
  const [page, setPage] = useState(1);
  const { search, status, sort_by } = form.values;
  useEffect(() => setPage(1), [search, status]);
  const parameters = { search, status, sort_by, sort_order: sort_by === "file_name" ? "asc" : "desc", page, per_page: PER_PAGE };
  const isBusy = collection.status === "processing";
  const loaded = useLoad(
    (signal) => get(`api/v2/collections/${id}/documents`, { query: parameters, signal }), [id, search, status, sort_by, page],
    () => (isBusy ? 2500 : 8000));
  const refresh = () => { loaded.reload(); reload(); };
  return html`
    ${may(collection, "write") && html`<${Upload} collection=${id} onChange=${() => {}} />`}
    <${Failed} collection=${collection} refresh=${refresh} />
    <div class="grid">
      <${Text} form=${form} name="search" label="Find by path" type="search" />
      <${Choice} form=${form} name="status" label="State" options=${[["", "All"], ...STATES.map((state) => [state, state])]} />
      <${Choice} form=${form} name="sort_by" label="Order"
        options=${[["updated_at", "Changed last"], ["file_name", "Name"], ["file_size", "Size"], ["chunk_count", "Passages"]]} />
    </div>
    <${Loaded} of=${loaded}>${({ documents, total }) => total === 0
      ? html`<p class="quiet">${search || status ? "No document is like this." : "No documents yet."}</p>`
      : html`
        <${Table} label="Documents" heads=${["Document", "State", "Passages", "Size", "Changed", ""]}>
          ${documents.map((document) => html`
            <${Row} key=${document.id} document=${document} collection=${collection} refresh=${refresh} />`)}
        <//>
        <${Pager} page=${page} perPage=${PER_PAGE} total=${total} go=${setPage} />`}
    <//>`;
}

function Row({ document, collection, refresh }) {
  const { id, file_path, title, status, error_message, warnings, chunk_count, file_size, updated_at } = document;
  const path = `api/v2/collections/${collection.id}/documents/${id}`;
  const [act, isRunning, error] = useAction(async (action) => { await action(); refresh(); });
  return html`
    <tr>
      <td class="name">
        <a href=${to("collections", collection.id, "documents", id)}>${title || file_path}</a>
        ${title && html`<div class="why">${file_path}</div>`}
        ${error_message && html`<div class="why">${error_message}</div>`}
        ${warnings.map(({ message }) => html`<div class="why">${message}</div>`)}
        <${Problem} error=${error} />
      </td>
      <td><${State} value=${status} /></td>
      <td>${integer(chunk_count)}</td>
      <td>${bytes(file_size)}</td>
      <td title=${updated_at}>${ago(updated_at)}</td>
      <td>${may(collection, "write") && html`<div class="row">
        ${status === "failed" && html`
          <button type="button" class="plain" disabled=${isRunning} onClick=${() => act(() => post(`${path}/retry?force=true`))}>Retry</button>`}
        ${status === "deleted"
          ? html`<button type="button" class="plain" disabled=${isRunning} onClick=${() => act(() => post(`${path}/restore`))}>Restore</button>`
          : html`<${Confirm} label="Delete" disabled=${isRunning} question="Delete ${file_path}? It can be restored for some weeks."
              action=${() => act(() => remove(path))} />`}
      </div>`}</td>
    </tr>`;
}

function Failed({ collection, refresh }) {
  const [retry, isRunning, error] = useAction(async () => {
    await post(`api/v2/collections/${collection.id}/documents/retry-failed?force=true`);
    refresh();
  });
  if (collection.error_count === 0 || !may(collection, "write")) return html`<${Problem} error=${error} />`;
  return html`
    <div class="notice warn row apart">
      <span>${count(collection.error_count, "document")} failed. The reason is with each.</span>
      <button type="button" class="plain" disabled=${isRunning} onClick=${retry}>Retry all</button>
    </div>
    <${Problem} error=${error} />`;
}
