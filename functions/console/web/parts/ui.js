// What all views are made of.
import { html, useEffect, useRef, useState } from "./html.js";
import { integer, words } from "./format.js";

let ids = 0;

/** The heading of a view: it gets the focus, so that screen readers and the keyboard start there. */
export function Heading({ children, title }) {
  const heading = useRef(null);
  useEffect(() => { heading.current.focus(); }, []);
  useEffect(() => { document.title = `${title} · Semantik`; }, [title]);
  return html`<h1 tabindex="-1" ref=${heading}>${children ?? title}</h1>`;
}

export function Problem({ error }) {
  if (!error) return null;
  return html`
    <div class="problem" role="alert">
      <p>${error.message}</p>
      ${error.errors?.length > 0 && html`
        <ul>${error.errors.map(({ field, message }) => html`<li><code>${field}</code>: ${message}</li>`)}</ul>`}
      ${error.requestId && html`<p class="quiet">Request ${error.requestId}</p>`}
    </div>`;
}

/** Shows what was loaded, else that it is being loaded, or why not. */
export function Loaded({ of: { data, error }, children }) {
  return html`
    <${Problem} error=${error} />
    ${data === undefined ? !error && html`<p class="quiet" role="status">Loading…</p>` : children(data)}`;
}

/** A label with its control; `children` is a function of the attributes that connect them. */
export function Field({ label, hint, error, children }) {
  const [id] = useState(() => `field-${ids += 1}`);
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ") || undefined;
  return html`
    <div class="field">
      <label for=${id}>${label}</label>
      ${hint && html`<p class="hint" id="${id}-hint">${hint}</p>`}
      ${children({ id, "aria-describedby": described, "aria-invalid": error ? "true" : undefined })}
      ${error && html`<p class="wrong" id="${id}-error">${error}</p>`}
    </div>`;
}

/** A text field that is bound to `form[name]`. */
export function Text({ form, name, label, hint, error, type = "text", ...more }) {
  return html`
    <${Field} label=${label} hint=${hint} error=${error}>
      ${(wired) => html`<input ...${wired} type=${type} value=${form.values[name] ?? ""}
        onInput=${(event) => form.set(name, event.target.value)} ...${more} />`}
    <//>`;
}

export function Choice({ form, name, label, hint, options, ...more }) {
  return html`
    <${Field} label=${label} hint=${hint}>
      ${(wired) => html`
        <select ...${wired} value=${form.values[name] ?? ""} onChange=${(event) => form.set(name, event.target.value)} ...${more}>
          ${options.map(([value, text]) => html`<option value=${value} selected=${value === (form.values[name] ?? "")}>${text}</option>`)}
        </select>`}
    <//>`;
}

export function Check({ form, name, label, hint }) {
  const [id] = useState(() => `field-${ids += 1}`);
  return html`
    <div class="field check">
      <input type="checkbox" id=${id} checked=${Boolean(form.values[name])} aria-describedby=${hint && `${id}-hint`}
        onChange=${(event) => form.set(name, event.target.checked)} />
      <label for=${id}>${label}</label>
      ${hint && html`<p class="hint" id="${id}-hint">${hint}</p>`}
    </div>`;
}

/** The values of a form. */
export function useForm(initial) {
  const [values, setValues] = useState(initial);
  return { values, set: (name, value) => setValues((old) => ({ ...old, [name]: value })), reset: setValues };
}

const TONES = {
  ready: "good", completed: "good", success: "good", active: "good", up: "good", healthy: "good", received: "good",
  processing: "busy", running: "busy", pending: "busy", uploading: "busy", expected: "busy",
  degraded: "warn", partial: "warn", skipped: "warn", cancelled: "warn", waiting: "warn",
  error: "bad", failed: "bad", down: "bad", refused: "bad", expired: "bad",
};

/** A state: its word is always shown, colour only helps. */
export function State({ value, text }) {
  return html`<span class="state ${TONES[value] ?? "plain"}">${text ?? words(value)}</span>`;
}

export function Pager({ page, perPage, total, go }) {
  const pages = Math.max(1, Math.ceil(total / perPage));
  if (pages === 1) return null;
  return html`
    <nav class="pager" aria-label="Pages">
      <button type="button" class="plain" disabled=${page <= 1} onClick=${() => go(page - 1)}>Previous</button>
      <span>Page ${integer(page)} of ${integer(pages)}</span>
      <button type="button" class="plain" disabled=${page >= pages} onClick=${() => go(page + 1)}>Next</button>
    </nav>`;
}

/** A table that can be scrolled sideways on a phone, by the keyboard, too. */
export function Table({ label, heads, children }) {
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label=${label}>
      <table>
        <thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
        <tbody>${children}</tbody>
      </table>
    </div>`;
}

/** A button that asks before it acts. */
export function Confirm({ label, question, action, className = "danger", disabled }) {
  const dialog = useRef(null);
  const close = () => dialog.current.close();
  return html`
    <button type="button" class=${className} disabled=${disabled} onClick=${() => dialog.current.showModal()}>${label}</button>
    <dialog ref=${dialog} aria-label=${label}>
      <p>${question}</p>
      <div class="row end">
        <button type="button" class="plain" onClick=${close}>Cancel</button>
        <button type="button" class=${className} onClick=${() => { close(); action(); }}>${label}</button>
      </div>
    </dialog>`;
}

export function Copy({ text, label = "Copy" }) {
  const [isDone, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
  };
  return html`<button type="button" class="plain" onClick=${copy}><span role="status">${isDone ? "Copied" : label}</span></button>`;
}

/** A line that screen readers announce when it changes. */
export const Live = ({ children }) => html`<p class="live" role="status" aria-live="polite">${children}</p>`;
