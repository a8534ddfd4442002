// The collections that the user may read, with their state.
import { html, useState } from "../parts/html.js";
import { get } from "../parts/api.js";
import { count } from "../parts/format.js";
import { useLoad } from "../parts/load.js";
import { to } from "../parts/route.js";
import { Heading, Loaded, Pager, State, Text, useForm } from "../parts/ui.js";

const PER_PAGE = 24;
const isBusy = ({ status }) => status === "processing" || status === "pending";

export function Collections() {
  const form = useForm({ search: "" });
  const [page, setPage] = useState(1);
  const { search } = form.values;
  const query = { search, page, per_page: PER_PAGE, sort_by: "updated_at", sort_order: "desc" };
  const loaded = useLoad(
    (signal) => get("api/v2/collections", { query, signal }), [search, page],
    (data) => (data?.collections.some(isBusy) ? 2000 : 15_000));
  return html`
    <div class="row apart">
      <${Heading} title="Collections" />
      <a class="button" href=${to("new")}>New collection</a>
    </div>
    <${Loaded} of=${loaded}>${({ collections, total }) => html`
      ${(total > PER_PAGE || search) && html`<${Text} form=${form} name="search" label="Find a collection" type="search" />`}
      ${total === 0 && html`
        <section class="card stack">
          <h2>${search ? "No collection has this text" : "Nothing here yet"}</h2>
          ${!search && html`
            <p>A collection holds documents that are searched together. Make one, drop files into it, and search them by meaning.</p>
            <p><a class="button" href=${to("new")}>Make your first collection</a></p>`}
        </section>`}
      <ul class="cards">
        ${collections.map((collection) => html`<li key=${collection.id}><${Card} collection=${collection} /></li>`)}
      </ul>
      <${Pager} page=${page} perPage=${PER_PAGE} total=${total} go=${setPage} />`}
    <//>`;
}

function Card({ collection }) {
  const { id, name, description, status, document_count, access, is_public } = collection;
  return html`
    <article class="card">
      <h2><a href=${to("collections", id)}>${name}</a></h2>
      <div class="row"><${State} value=${status} />
        <span class="quiet">${count(document_count, "document")}</span></div>
      ${description && html`<p class="quiet">${description}</p>`}
      ${access !== "owner" && html`<p class="hint">${is_public ? "public" : "shared with you"}, ${access} access</p>`}
    </article>`;
}
