// Who changed what, newest first: of a collection, or, for superusers, of everything.
import { html, useState } from "../parts/html.js";
import { get } from "../parts/api.js";
import { date, words } from "../parts/format.js";
import { useLoad } from "../parts/load.js";
import { Loaded, Table } from "../parts/ui.js";

const PER_PAGE = 50;

export const Audit = ({ collection }) => html`<${Log} path="api/v2/collections/${collection.id}/audit-log" />`;
export const AuditOfAll = () => html`<${Log} path="api/v2/audit-log" withCollection />`;

function Log({ path, withCollection }) {
  // The ids before which the pages begin; the last one is shown.
  const [pages, setPages] = useState([undefined]);
  const before = pages.at(-1);
  const loaded = useLoad((signal) => get(path, { query: { before_id: before, limit: PER_PAGE }, signal }), [path, before]);
  const heads = ["When", "Who", "What", ...(withCollection ? ["Collection"] : []), "Details", "Address"];
  return html`<${Loaded} of=${loaded}>${({ entries, next_before_id }) => html`
    <${Table} label="Audit log" heads=${heads}>
      ${entries.map(({ id, created_at, username, api_key_name, action, collection_name, details, ip_address }) => html`
        <tr key=${id}>
          <td>${date(created_at)}</td>
          <td>${username ?? "the system"}${api_key_name && html`<div class="why">API key ${api_key_name}</div>`}</td>
          <td>${words(action)}</td>
          ${withCollection && html`<td class="name">${collection_name}</td>`}
          <td class="name"><code>${Object.keys(details).length > 0 ? JSON.stringify(details) : ""}</code></td>
          <td>${ip_address}</td>
        </tr>`)}
    <//>
    <div class="pager">
      <button type="button" class="plain" disabled=${pages.length === 1} onClick=${() => setPages(pages.slice(0, -1))}>Newer</button>
      <button type="button" class="plain" disabled=${!next_before_id} onClick=${() => setPages([...pages, next_before_id])}>Older</button>
    </div>`}<//>`;
}
