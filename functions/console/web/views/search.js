// Searching one or more collections.
import { html, useEffect, useState } from "../parts/html.js";
import { get, post } from "../parts/api.js";
import { count } from "../parts/format.js";
import { useLoad } from "../parts/load.js";
import { navigate } from "../parts/route.js";
import { Check, Choice, Heading, Live, Loaded, Problem, Text, useForm } from "../parts/ui.js";
import { Hit } from "./hit.js";

const PER_PAGE = 10;
// The API searches no more at once.
const MOST_COLLECTIONS = 10;
const MODES = [["hybrid", "Meaning and words"], ["dense", "Meaning"], ["sparse", "Words"]];

export function Search({ query }) {
  const loaded = useLoad((signal) => get("api/v2/collections", { query: { per_page: 100, sort_by: "name", sort_order: "asc" }, signal }), []);
  return html`
    <${Heading} title="Search" />
    <${Loaded} of=${loaded}>${({ collections }) => collections.length === 0
      ? html`<p>There is nothing to search yet. <a href="#/new">Make a collection</a> first.</p>`
      : html`<${Page} collections=${collections} query=${query} />`}<//>`;
}

/** The URL of the view has the search, so that it can be kept, shared and returned to. */
function Page({ collections, query }) {
  const inside = query.in ? query.in.split(",") : collections.slice(0, MOST_COLLECTIONS).map(({ id }) => id);
  const form = useForm({
    q: query.q ?? "", mode: query.mode ?? "hybrid", path: query.path ?? "", type: query.type ?? "",
    by_document: query.by === "document", inside: new Set(inside),
  });
  const submit = (event) => {
    event.preventDefault();
    const { q, mode, path, type, by_document, inside: chosen } = form.values;
    navigate("search", { q, mode, path, type, by: by_document && "document", in: Array.from(chosen).join(",") });
  };
  return html`
    <form class="card" role="search" onSubmit=${submit}>
      <div class="searchline">
        <${Text} form=${form} name="q" label="What are you looking for?" type="search" required maxlength="1000" />
        <button>Search</button>
      </div>
      <fieldset class="segments">
        <legend>Find by</legend>
        ${MODES.map(([mode, name]) => html`
          <label><input type="radio" name="mode" value=${mode} checked=${form.values.mode === mode}
            onChange=${() => form.set("mode", mode)} />${name}</label>`)}
      </fieldset>
      <details open=${Boolean(query.path || query.type || query.by)}>
        <summary>Collections and filters</summary>
        <div class="stack">
          <${Places} form=${form} collections=${collections} />
          <div class="grid">
            <${Text} form=${form} name="path" label="Path begins with" />
            <${Choice} form=${form} name="type" label="Format" options=${[["", "All"], ["application/pdf", "PDF"],
              ["text/markdown", "Markdown"], ["text/html", "HTML"], ["text/plain", "Text"]]} />
          </div>
          <${Check} form=${form} name="by_document" label="Show the best passage of each document only" />
        </div>
      </details>
    </form>
    ${query.q && html`<${Results} key=${JSON.stringify(query)} query=${query} inside=${inside} />`}`;
}

function Places({ form, collections }) {
  const { inside } = form.values;
  const toggle = (id) => {
    const chosen = new Set(inside);
    if (!chosen.delete(id)) chosen.add(id);
    form.set("inside", chosen);
  };
  return html`
    <fieldset class="segments">
      <legend>In ${count(inside.size, "collection")} (${MOST_COLLECTIONS} at most)</legend>
      ${collections.map(({ id, name }) => html`
        <label><input type="checkbox" checked=${inside.has(id)} disabled=${!inside.has(id) && inside.size >= MOST_COLLECTIONS}
          onChange=${() => toggle(id)} />${name}</label>`)}
    </fieldset>`;
}

function requestOf({ q, mode, path, type, by }, inside, offset) {
  const filter = { ...(path && { path_prefix: path }), ...(type && { mime_type: type }) };
  return {
    query: q, collection_uuids: inside, k: PER_PAGE, offset, search_mode: mode ?? "hybrid", highlight: true, context_chunks: 1,
    ...(Object.keys(filter).length > 0 && { metadata_filter: filter }),
    ...(by === "document" && { group_by: "document", group_size: 1 }),
  };
}

function Results({ query, inside }) {
  const [answer, setAnswer] = useState(null);
  const [error, setError] = useState(null);
  const [offset, setOffset] = useState(0);
  useEffect(() => {
    const controller = new AbortController();
    post("api/v2/search", requestOf(query, inside, offset), { signal: controller.signal }).then(
      (page) => setAnswer((old) => ({ ...page, results: [...(old?.results ?? []), ...page.results], isLast: page.results.length < PER_PAGE })),
      (problem) => problem.name !== "AbortError" && setError(problem));
    return () => controller.abort();
  }, [offset]);
  if (error) return html`<${Problem} error=${error} />`;
  if (!answer) return html`<${Live}>Searching…<//>`;
  const { results, total_time_ms, warnings, failed_collections, isLast } = answer;
  return html`
    <section class="stack" aria-label="Results">
      <${Live}>${results.length === 0 ? "Nothing found. Other words, or another way to find, may help."
        : `${count(results.length, "passage")} in ${Math.round(total_time_ms)} ms`}<//>
      ${warnings.map((warning) => html`<p class="notice warn">${warning}</p>`)}
      ${failed_collections.map(({ collection_name, error: reason }) => html`<p class="problem">${collection_name}: ${reason}</p>`)}
      <ol class="hits">
        ${results.map((hit) => html`<li key=${hit.chunk_id}><${Hit} hit=${hit} scoreType=${answer.score_type} /></li>`)}
      </ol>
      ${results.length > 0 && !isLast && html`
        <div><button type="button" class="plain" onClick=${() => setOffset(offset + PER_PAGE)}>Show more</button></div>`}
    </section>`;
}
