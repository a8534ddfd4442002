// Dropping or choosing files, and what becomes of each.
import { html, useEffect, useRef, useState } from "../parts/html.js";
import { bytes, count } from "../parts/format.js";
import { to } from "../parts/route.js";
import { Live, State } from "../parts/ui.js";
import { Uploads, chosen, dropped, isEnded } from "../parts/uploads.js";

// A list of thousands of files is not read by anybody.
const SHOWN = 200;

export function Upload({ collection, onChange }) {
  const [, redraw] = useState(0);
  const [isOver, setOver] = useState(false);
  const uploads = useRef(null);
  const files = useRef(null);
  const folder = useRef(null);
  useEffect(() => {
    uploads.current = new Uploads(collection, () => { redraw((value) => value + 1); onChange(); });
    return () => uploads.current.close();
  }, [collection]);

  const add = (list) => list.length > 0 && uploads.current.add(list);
  const pick = (event) => { add(chosen(event.target.files)); event.target.value = ""; };
  const drop = async (event) => {
    event.preventDefault();
    setOver(false);
    add(await dropped(event.dataTransfer));
  };
  return html`
    <section class="stack" aria-label="Upload">
      <div class="drop ${isOver ? "over" : ""}" onDrop=${drop}
        onDragOver=${(event) => { event.preventDefault(); setOver(true); }} onDragLeave=${() => setOver(false)}>
        <p><strong>Drop files or folders here</strong></p>
        <div class="row">
          <button type="button" onClick=${() => files.current.click()}>Choose files</button>
          <button type="button" class="plain" onClick=${() => folder.current.click()}>Choose a folder</button>
        </div>
        <p class="hint">Text, Markdown, HTML, PDF, Office, mail, archives and code. A file of the same name is replaced.</p>
        <input type="file" multiple hidden ref=${files} onChange=${pick} aria-label="Files to upload" />
        <input type="file" webkitdirectory hidden ref=${folder} onChange=${pick} aria-label="Folder to upload" />
      </div>
      ${uploads.current?.entries.length > 0 && html`<${Progress} uploads=${uploads.current} collection=${collection} />`}
    </section>`;
}

function Progress({ uploads, collection }) {
  const { entries, hidden } = uploads;
  const ended = entries.filter(isEnded);
  const failed = entries.filter(({ state }) => state === "failed");
  const total = entries.reduce((sum, { file }) => sum + file.size, 0);
  const sent = entries.reduce((sum, { sent }) => sum + sent, 0);
  // Failures first, then what is under way: that is what one looks for.
  const rank = (entry) => (entry.state === "failed" ? 0 : isEnded(entry) ? 2 : 1);
  const shown = [...entries].sort((a, b) => rank(a) - rank(b)).slice(0, SHOWN);
  return html`
    <section class="card stack" aria-label="Files">
      <${Live}>${ended.length === entries.length
        ? `${count(ended.length, "file")} done${failed.length ? `, ${failed.length} failed` : ""}`
        : `${ended.length} of ${count(entries.length, "file")} done, ${bytes(sent)} of ${bytes(total)} sent`}<//>
      <progress max=${entries.length} value=${ended.length} aria-label="Files done"></progress>
      ${hidden > 0 && html`<p class="hint">${count(hidden, "hidden file")} left out.</p>`}
      <ul class="files" tabindex="0" aria-label="Files and their states">
        ${shown.map((entry) => html`<${File} key=${entry.name} entry=${entry} collection=${collection} />`)}
      </ul>
      ${entries.length > SHOWN && html`<p class="hint">And ${entries.length - SHOWN} more.</p>`}
    </section>`;
}

const WORDS = { waiting: "waiting", received: "uploaded", processing: "indexing", completed: "searchable" };

function File({ entry: { name, file, state, sent, reason, document }, collection }) {
  const percent = file.size ? Math.floor((100 * sent) / file.size) : 100;
  const text = state === "uploading" ? `uploading ${percent} %` : WORDS[state] ?? state;
  return html`
    <li>
      <div class="row">
        <span>${document ? html`<a href=${to("collections", collection, "documents", document)}>${name}</a>` : name}</span>
        <${State} value=${state} text=${text} />
      </div>
      ${state === "uploading" && html`<progress max="100" value=${percent} aria-label="Sent of ${name}"></progress>`}
      ${reason && html`<p class=${state === "failed" ? "wrong" : "hint"}>${reason}</p>`}
    </li>`;
}
