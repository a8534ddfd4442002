// A result of a search: the passage, where it is, and the way to its document.
import { html, useState } from "../parts/html.js";
import { place } from "../parts/format.js";
import { Passage } from "../parts/passage.js";
import { to } from "../parts/route.js";
import { BASE } from "../parts/api.js";

const SCORES = { cosine: "similarity", bm25: "word score", rrf: "rank score", reranker: "reranked" };

export function Hit({ hit, scoreType }) {
  const { title, file_name, file_path, text, highlighted_text, section_path, collection_id, collection_name, document_id, url } = hit;
  const [isWide, setWide] = useState(false);
  const around = (hit.neighbours ?? []).filter(({ text: other }) => other);
  const before = around.filter(({ chunk_index }) => chunk_index < hit.chunk_index);
  const after = around.filter(({ chunk_index }) => chunk_index > hit.chunk_index);
  const { start_offset, end_offset } = hit.metadata ?? {};
  const link = to("collections", collection_id, "documents", document_id, { from: start_offset, until: end_offset });
  const where = [collection_name, file_path, ...section_path, place(hit)].filter(Boolean);
  return html`
    <article class="card hit">
      <h3><a href=${link}>${title || file_name}</a></h3>
      <p class="crumbs">${where.join(" › ")}</p>
      ${isWide && before.map((other) => html`<p class="around">${other.text}</p>`)}
      <${Passage} text=${text} highlighted=${highlighted_text} />
      ${isWide && after.map((other) => html`<p class="around">${other.text}</p>`)}
      <div class="row apart">
        <div class="row">
          ${around.length > 0 && html`
            <button type="button" class="link" aria-expanded=${isWide} onClick=${() => setWide(!isWide)}>${isWide ? "Less" : "Surrounding text"}</button>`}
          ${isElsewhere(url) && html`<a href=${url} target="_blank" rel="noopener noreferrer">Original</a>`}
        </div>
        <span class="hint">${SCORES[scoreType] ?? scoreType} ${hit.score.toFixed(3)}</span>
      </div>
    </article>`;
}

/** Whether a link leads to a web page of the source. Links of the API need the token, so the document view opens those. */
export const isElsewhere = (url) => /^https?:\/\//.test(url) && !url.startsWith(BASE.href) && !url.includes("/api/v2/collections/");
