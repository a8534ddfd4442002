// A passage with the words of the query marked.
import { html } from "./html.js";

/**
 * `highlighted_text` is HTML of the API. It is parsed in a document that runs and loads nothing, and only its text and
 * marks are shown, so nothing that a document contains becomes markup here.
 */
export function Passage({ text, highlighted }) {
  if (!highlighted) return html`<p class="passage">${text}</p>`;
  const parsed = new DOMParser().parseFromString(highlighted, "text/html");
  const nodes = Array.from(parsed.body.childNodes, (node) =>
    node.nodeName === "MARK" ? html`<mark>${node.textContent}</mark>` : node.textContent);
  return html`<p class="passage">${nodes}</p>`;
}
