// How much of its limits a collection uses.
import { html } from "../parts/html.js";
import { get } from "../parts/api.js";
import { bytes, integer } from "../parts/format.js";
import { useLoad } from "../parts/load.js";
import { Loaded } from "../parts/ui.js";

export function Usage({ collection }) {
  const loaded = useLoad(async (signal) => {
    const [own, account] = await Promise.all([
      get(`api/v2/collections/${collection.id}/limits`, { signal }), get("api/v2/limits", { signal })]);
    return { own, account };
  }, [collection.id]);
  return html`<${Loaded} of=${loaded}>${({ own, account }) => html`
    <section class="card stack">
      <h2>This collection</h2>
      <${Meter} label="Documents" used=${own.usage.documents} limit=${own.limits.max_documents} />
      <${Meter} label="Originals that are kept" used=${own.usage.storage_bytes} limit=${own.limits.max_storage_bytes} format=${bytes} />
      <${Meter} label="Sources" used=${own.usage.sources} limit=${own.limits.max_sources} />
      <${Meter} label="Operations in the last hour" used=${own.usage.operations_last_hour} limit=${own.limits.max_operations_per_hour} />
    </section>
    <section class="card stack">
      <h2>Your account</h2>
      <${Meter} label="Collections" used=${account.usage.collections} limit=${account.limits.max_collections} />
      <${Meter} label="Originals that are kept" used=${account.usage.storage_bytes} limit=${account.limits.max_storage_bytes} format=${bytes} />
    </section>`}<//>`;
}

function Meter({ label, used, limit, format = integer }) {
  return html`
    <div>
      <div class="row apart"><span>${label}</span><span class="quiet">${format(used)} of ${format(limit)}</span></div>
      <progress max=${Math.max(1, limit)} value=${used} aria-label=${label}></progress>
    </div>`;
}
