// What runs and ran in a collection, with progress and failures.
import { html, useState } from "../parts/html.js";
import { get, post } from "../parts/api.js";
import { ago, date, integer, words } from "../parts/format.js";
import { useAction, useLoad } from "../parts/load.js";
import { Loaded, Pager, Problem, State } from "../parts/ui.js";
import { may } from "./collection.js";

const PER_PAGE = 20;
export const isOpen = ({ status }) => status === "pending" || status === "processing";

export function Operations({ collection }) {
  const [page, setPage] = useState(1);
  const loaded = useLoad(
    async (signal) => {
      const query = { page, per_page: PER_PAGE };
      const response = await get(`api/v2/collections/${collection.id}/operations`, { query, signal });
      // Semantik's list of a collection is an array without a total; then a full page has a next one.
      const operations = Array.isArray(response) ? response : response.operations;
      return { operations, total: response.total ?? (page - 1) * PER_PAGE + operations.length + (operations.length === PER_PAGE ? 1 : 0) };
    }, [collection.id, page],
    (data) => (data?.operations.some(isOpen) ? 1500 : 8000));
  return html`
    <${Loaded} of=${loaded}>${({ operations, total }) => html`
      ${operations.length === 0 && html`<p class="quiet">Nothing has run yet.</p>`}
      ${operations.map((operation) => html`
        <${Operation} key=${operation.id} operation=${operation} mayCancel=${may(collection, "write")} reload=${loaded.reload} />`)}
      <${Pager} page=${page} perPage=${PER_PAGE} total=${total} go=${setPage} />`}
    <//>`;
}

export function Operation({ operation, mayCancel, reload }) {
  const { id, type, status, progress, error_message, waiting_for, next_attempt_at, created_at, completed_at, cancel_requested_at } = operation;
  const [cancel, isRunning, error] = useAction(async () => {
    await post(`api/v2/operations/${id}/cancel`);
    reload();
  });
  const states = Object.entries(progress.by_state).filter(([, number]) => number > 0);
  return html`
    <article class="card stack">
      <div class="row apart">
        <h2>${words(type)}</h2>
        <${State} value=${status} text=${cancel_requested_at && isOpen(operation) ? "being cancelled" : undefined} />
      </div>
      <progress max=${Math.max(1, progress.total)} value=${status === "completed" ? Math.max(1, progress.total) : progress.done} aria-label="Progress of ${words(type)}"></progress>
      <p class="quiet" role="status">${integer(progress.done)} of ${integer(progress.total)}${progress.is_listed ? "" : " so far"}
        ${states.length > 0 && `: ${states.map(([state, number]) => `${integer(number)} ${state}`).join(", ")}`}</p>
      ${waiting_for && html`<p class="notice">Waits for ${words(waiting_for)}${next_attempt_at ? `; next attempt ${ago(next_attempt_at)}` : ""}.</p>`}
      ${error_message && html`<p class="wrong">${error_message}</p>`}
      <div class="row apart">
        <span class="hint">Started ${date(created_at)}${completed_at ? `, ended ${date(completed_at)}` : ""}</span>
        ${mayCancel && isOpen(operation) && !cancel_requested_at && html`
          <button type="button" class="plain" disabled=${isRunning} onClick=${cancel}>Cancel</button>`}
      </div>
      <${Problem} error=${error} />
    </article>`;
}
