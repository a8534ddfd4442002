// A document: its extracted text beside the original, where the browser can show that safely.
import { html, useEffect, useRef, useState } from "../parts/html.js";
import { get } from "../parts/api.js";
import { bytes, count, date } from "../parts/format.js";
import { useAction, useLoad } from "../parts/load.js";
import { to } from "../parts/route.js";
import { Heading, Loaded, Problem, State } from "../parts/ui.js";
import { isElsewhere } from "./hit.js";

// What browsers show without running anything of it. Everything else, HTML and SVG above all, is only saved.
const IMAGES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"]);
const PDF = "application/pdf";
const TEXT_BYTES = 64 * 1024;

export function Document({ collection, id, query }) {
  const path = `api/v2/collections/${collection}/documents/${id}`;
  const loaded = useLoad((signal) => get(path, { signal }), [id], (data) => (data?.status === "processing" ? 2000 : null));
  return html`
    <p class="crumbs"><a href=${to("collections")}>Collections</a> › <a href=${to("collections", collection)}>Documents</a></p>
    <${Loaded} of=${loaded}>${(document) => html`
      <${Heading} title=${document.title || document.file_path} />
      <${Facts} document=${document} path=${path} />
      <div class="pair">
        <${ExtractedText} path=${path} from=${Number(query.from ?? 0)} until=${Number(query.until ?? 0)} />
        <${Original} document=${document} path=${path} />
      </div>`}
    <//>`;
}

function Facts({ document, path }) {
  const { file_path, file_size, mime_type, status, chunk_count, error_message, warnings, updated_at, url } = document;
  const [save, isRunning, error] = useAction(async () => {
    const response = await get(`${path}/content`, { raw: true });
    const link = window.document.createElement("a");
    // A type that no browser shows: the bytes are only saved.
    link.href = URL.createObjectURL(new Blob([await response.arrayBuffer()], { type: "application/octet-stream" }));
    link.download = document.file_name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  });
  return html`
    <section class="card stack" aria-label="About this document">
      <p class="mono">${file_path}</p>
      <div class="row"><${State} value=${status} />
        <span class="quiet">${[mime_type, bytes(file_size), count(chunk_count, "passage"), date(updated_at)].filter(Boolean).join(" · ")}</span></div>
      ${error_message && html`<p class="wrong">${error_message}</p>`}
      ${warnings.map(({ message }) => html`<p class="notice warn">${message}</p>`)}
      <div class="row">
        <button type="button" class="plain" disabled=${isRunning} onClick=${save}>Download</button>
        ${isElsewhere(url) && html`<a class="button plain" href=${url} target="_blank" rel="noopener noreferrer">Open the original</a>`}
      </div>
      <${Problem} error=${error} />
    </section>`;
}

/** The text around a passage, else from the beginning; offsets count bytes of UTF-8. */
function ExtractedText({ path, from, until }) {
  const [parts, setParts] = useState([]);
  const [next, setNext] = useState(Math.max(0, from - 2048));
  const mark = useRef(null);
  const [load, isRunning, error] = useAction(async () => {
    // A part of a passage would not be marked.
    const end = Math.max(next + TEXT_BYTES, until);
    const part = await get(`${path}/text`, { query: { start_offset: next, end_offset: end } });
    setParts((old) => [...old, part]);
    setNext(part.next_offset);
  });
  useEffect(() => { load(); }, []);
  useEffect(() => { mark.current?.scrollIntoView({ block: "nearest" }); }, [parts.length > 0]);
  return html`
    <section class="card stack">
      <h2>Text</h2>
      <${Problem} error=${error} />
      ${parts.length > 0 && html`
        <div class="text" tabindex="0" role="region" aria-label="Extracted text">
          ${parts.map((part) => html`<${Marked} key=${part.start_offset} part=${part} from=${from} until=${until} mark=${mark} />`)}
        </div>`}
      ${parts.length > 0 && next !== null && next !== undefined && html`
        <div><button type="button" class="plain" disabled=${isRunning} onClick=${load}>More text</button></div>`}
    </section>`;
}

function Marked({ part, from, until, mark }) {
  const { text, start_offset, end_offset } = part;
  if (until <= from || from < start_offset || until > end_offset) return text;
  const encoded = new TextEncoder().encode(text);
  const slice = (start, end) => new TextDecoder().decode(encoded.slice(start, end));
  const [start, end] = [from - start_offset, until - start_offset];
  return html`${slice(0, start)}<mark ref=${mark}>${slice(start, end)}</mark>${slice(end)}`;
}

function Original({ document, path }) {
  const { mime_type, file_name, status } = document;
  const isShown = IMAGES.has(mime_type) || mime_type === PDF;
  const [source, setSource] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => {
    if (!isShown || status === "deleted") return undefined;
    const controller = new AbortController();
    let address;
    get(`${path}/content`, { raw: true, signal: controller.signal })
      .then((response) => response.arrayBuffer())
      .then((content) => {
        if (controller.signal.aborted) return;
        // The type is one of the list above, whatever the document says that it is.
        address = URL.createObjectURL(new Blob([content], { type: mime_type }));
        setSource(address);
      })
      .catch((problem) => problem.name !== "AbortError" && setError(problem));
    return () => {
      controller.abort();
      if (address) URL.revokeObjectURL(address);
    };
  }, [path, isShown]);
  if (!isShown) return null;
  return html`
    <section class="card stack">
      <h2>Original</h2>
      <${Problem} error=${error} />
      ${source && (mime_type === PDF
        ? html`<iframe class="original" src=${source} title=${file_name}></iframe>`
        : html`<img class="original" src=${source} alt=${file_name} />`)}
    </section>`;
}
