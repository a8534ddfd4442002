// Where a collection's documents come from besides uploads.
import { html, useState } from "../parts/html.js";
import { get, post, remove } from "../parts/api.js";
import { ago, bytes, count } from "../parts/format.js";
import { useAction, useLoad } from "../parts/load.js";
import { Confirm, Live, Loaded, Problem, State } from "../parts/ui.js";
import { SourceForm } from "./source_form.js";

export function Sources({ collection, reload }) {
  const path = `api/v2/collections/${collection.id}/sources`;
  const catalogue = useLoad((signal) => get("api/v2/connectors", { signal }), []);
  const loaded = useLoad((signal) => get(path, { query: { limit: 100 }, signal }), [collection.id], () => 5000);
  const [edited, setEdited] = useState(null);
  const close = () => { setEdited(null); loaded.reload(); reload(); };
  const connectors = catalogue.data?.connectors;
  if (edited && connectors) {
    return html`<${SourceForm} path=${path} connectors=${connectors} source=${edited === "new" ? null : edited} close=${close} />`;
  }
  return html`
    <div class="row apart">
      <${Sync} collection=${collection} />
      <button type="button" onClick=${() => setEdited("new")}>Add a source</button>
    </div>
    <${Problem} error=${catalogue.error} />
    <${Loaded} of=${loaded}>${({ items: sources }) => html`
      ${sources.length === 0 && html`<p class="quiet">No sources yet: websites, repositories, mailboxes, buckets and more.</p>`}
      ${sources.map((source) => html`
        <${Source} key=${source.id} source=${source} path=${path} name=${nameOf(connectors, source)} reload=${loaded.reload}
          edit=${connectors?.some(({ type }) => type === source.source_type) && (() => setEdited(source))} />`)}`}
    <//>`;
}

const nameOf = (connectors, { source_type }) => connectors?.find(({ type }) => type === source_type)?.name ?? source_type;

function Sync({ collection }) {
  const [message, setMessage] = useState("");
  const [run, isRunning, error] = useAction(async () => {
    await post(`api/v2/collections/${collection.id}/sync/run`);
    setMessage("Started; the operations show what it does.");
  });
  return html`
    <div class="row">
      <button type="button" class="plain" disabled=${isRunning} onClick=${run}>Sync all now</button>
      <${Live}>${message}<//><${Problem} error=${error} />
    </div>`;
}

function Source({ source, path, name, edit, reload }) {
  const { id, source_path, document_count, size_bytes, last_run_status, last_run_completed_at, last_error, backs_off_until } = source;
  const [drop, isRunning, error] = useAction(async () => {
    await remove(`${path}/${id}`);
    reload();
  });
  return html`
    <article class="card stack">
      <div class="row apart"><h2>${name}</h2>${last_run_status && html`<${State} value=${last_run_status} />`}</div>
      <p class="mono">${source_path}</p>
      <p class="quiet">${count(document_count, "document")}, ${bytes(size_bytes)}${last_run_completed_at ? `, read ${ago(last_run_completed_at)}` : ""}</p>
      ${last_error && html`<p class="wrong">${last_error}</p>`}
      ${backs_off_until && html`<p class="hint">The schedule leaves it out; next attempt ${ago(backs_off_until)}.</p>`}
      <div class="row">
        ${edit && html`<button type="button" class="plain" onClick=${edit}>Edit</button>`}
        <${Confirm} label="Remove" disabled=${isRunning} action=${drop} question="Remove this source with its documents?" />
      </div>
      <${Problem} error=${error} />
    </article>`;
}
