// A new collection: a name is enough.
import { html } from "../parts/html.js";
import { get, post } from "../parts/api.js";
import { useAction, useLoad } from "../parts/load.js";
import { navigate } from "../parts/route.js";
import { Check, Choice, Heading, Problem, Text, useForm } from "../parts/ui.js";

export function NewCollection() {
  const form = useForm({ name: "", description: "", quantization: "", chunking_strategy: "" });
  const info = useLoad((signal) => get("api/v2/system/info", { signal }), []);
  const strategies = useLoad((signal) => get("api/v2/chunking/strategies", { signal }), []);
  const [create, isRunning, error] = useAction(async () => {
    const chosen = Object.entries(form.values).filter(([, value]) => value !== "" && value !== false);
    const { id } = await post("api/v2/collections", Object.fromEntries(chosen));
    navigate("collections", id);
  });
  const models = info.data?.embedding_models ?? [];
  return html`
    <${Heading} title="New collection" />
    <form class="card" onSubmit=${(event) => { event.preventDefault(); create(); }}>
      <${Text} form=${form} name="name" label="Name" required maxlength="255" error=${error?.of?.("name")} />
      <${Text} form=${form} name="description" label="Description (optional)" error=${error?.of?.("description")} />
      <details>
        <summary>How documents are indexed</summary>
        <div class="stack">
          <p class="hint">The defaults suit most documents. All of it can be changed later by a reindex.</p>
          <div class="grid">
            <${Choice} form=${form} name="embedding_model" label="Embedding model" options=${[["", "Default"],
              ...models.map(({ name, dimension }) => [name, `${name} (${dimension} dimensions)`])]} />
            <${Choice} form=${form} name="quantization" label="Precision of vectors"
              options=${[["", "Default"], ["float32", "float32"], ["float16", "float16"], ["int8", "int8"]]} />
            <${Choice} form=${form} name="chunking_strategy" label="Chunking" options=${[["", "Default"],
              ...(strategies.data?.strategies ?? []).map(({ id, name }) => [id, name])]} />
          </div>
          <${Check} form=${form} name="ocr" label="Read images and scanned pages (OCR)" />
          <${Check} form=${form} name="contextualize" label="Index passages with their title and headings" />
          <${Check} form=${form} name="is_public" label="Everyone who is signed in may read it" />
        </div>
      </details>
      <${Problem} error=${error} />
      <div><button disabled=${isRunning}>Create collection</button></div>
    </form>`;
}
