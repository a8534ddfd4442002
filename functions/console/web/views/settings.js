// Reindexing with other settings, returning to the index of before, and deleting a collection.
import { html } from "../parts/html.js";
import { get, post, remove, request } from "../parts/api.js";
import { useAction, useLoad } from "../parts/load.js";
import { navigate } from "../parts/route.js";
import { Check, Choice, Confirm, Problem, Text, useForm } from "../parts/ui.js";
import { may } from "./collection.js";

export function Settings({ collection, reload }) {
  return html`
    <${General} collection=${collection} reload=${reload} />
    <${Reindex} key=${version(collection)} collection=${collection} reload=${reload} />
    ${may(collection, "owner") && html`<${Delete} collection=${collection} />`}`;
}

/** The form begins anew with the settings of another index. */
const version = ({ embedding_model, quantization, chunk_size, chunk_overlap, chunking_strategy, contextualize, ocr }) =>
  [embedding_model, quantization, chunk_size, chunk_overlap, chunking_strategy, contextualize, ocr].join();

function General({ collection, reload }) {
  const { name, description, is_public } = collection;
  const form = useForm({ name, description: description ?? "", is_public });
  const [save, isRunning, error] = useAction(async () => {
    await request("PATCH", `api/v2/collections/${collection.id}`, { body: form.values });
    reload();
  });
  return html`
    <form class="card" onSubmit=${(event) => { event.preventDefault(); save(); }}>
      <h2>General</h2>
      <${Text} form=${form} name="name" label="Name" required error=${error?.of?.("name")} />
      <${Text} form=${form} name="description" label="Description" error=${error?.of?.("description")} />
      <${Check} form=${form} name="is_public" label="Everyone who is signed in may read it" />
      <${Problem} error=${error} />
      <div><button disabled=${isRunning}>Save</button></div>
    </form>`;
}

function Reindex({ collection, reload }) {
  const { id, embedding_model, quantization, chunk_size, chunk_overlap, chunking_strategy, contextualize, ocr } = collection;
  const form = useForm({ embedding_model, quantization, chunk_size, chunk_overlap, chunking_strategy, contextualize, ocr });
  const info = useLoad((signal) => get("api/v2/system/info", { signal }), []);
  const strategies = useLoad((signal) => get("api/v2/chunking/strategies", { signal }), []);
  const [start, isStarting, startError] = useAction(async () => {
    const { chunk_size: size, chunk_overlap: overlap, ...rest } = form.values;
    await post(`api/v2/collections/${id}/reindex`, { ...rest, chunk_size: Number(size), chunk_overlap: Number(overlap) });
    navigate("collections", id, "operations");
  });
  const [rollBack, isRollingBack, rollbackError] = useAction(async () => {
    await post(`api/v2/collections/${id}/reindex/rollback`);
    reload();
  });
  const models = info.data?.embedding_models ?? [{ name: embedding_model }];
  const known = strategies.data?.strategies ?? [{ id: chunking_strategy, name: chunking_strategy }];
  return html`
    <form class="card" onSubmit=${(event) => { event.preventDefault(); start(); }}>
      <h2>Reindex</h2>
      <p class="hint">A second index is filled while this one answers; then they are swapped. If a document cannot be indexed,
        nothing changes.</p>
      <div class="grid">
        <${Choice} form=${form} name="embedding_model" label="Embedding model" options=${models.map(({ name }) => [name, name])} />
        <${Choice} form=${form} name="quantization" label="Precision of vectors" options=${["float32", "float16", "int8"].map((name) => [name, name])} />
        <${Choice} form=${form} name="chunking_strategy" label="Chunking" options=${known.map(({ id: strategy, name }) => [strategy, name])} />
        <${Text} form=${form} name="chunk_size" label="Passage size in tokens" type="number" min="1" error=${startError?.of?.("chunk_size")} />
        <${Text} form=${form} name="chunk_overlap" label="Overlap in tokens" type="number" min="0" error=${startError?.of?.("chunk_overlap")} />
      </div>
      <${Check} form=${form} name="ocr" label="Read images and scanned pages (OCR)" />
      <${Check} form=${form} name="contextualize" label="Index passages with their title and headings" />
      <${Problem} error=${startError ?? rollbackError} />
      <div class="row">
        <button disabled=${isStarting}>Start reindex</button>
        <${Confirm} className="plain" label="Roll back" disabled=${isRollingBack} action=${rollBack}
          question="Return to the index that the last reindex replaced?" />
      </div>
    </form>`;
}

function Delete({ collection }) {
  const [act, isRunning, error] = useAction(async () => {
    await remove(`api/v2/collections/${collection.id}`);
    navigate("collections");
  });
  return html`
    <section class="card stack">
      <h2>Delete</h2>
      <p>Deletes the collection with its documents, for good.</p>
      <${Problem} error=${error} />
      <div><${Confirm} label="Delete collection" disabled=${isRunning} action=${act}
        question="Delete “${collection.name}” with all its documents? This cannot be undone." /></div>
    </section>`;
}
