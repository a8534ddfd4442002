// API keys of the user.
import { html, useState } from "../parts/html.js";
import { get, post, remove } from "../parts/api.js";
import { ago, date } from "../parts/format.js";
import { useAction, useLoad } from "../parts/load.js";
import { Choice, Confirm, Copy, Heading, Loaded, Problem, State, Table, Text, useForm } from "../parts/ui.js";

const SCOPES = [["read", "read: search and open documents"], ["write", "write: also upload and delete documents"], ["admin", "admin: also settings of collections"]];

export function Keys() {
  const loaded = useLoad((signal) => get("api/v2/api-keys", { query: { per_page: 100 }, signal }), []);
  const [secret, setSecret] = useState(null);
  return html`
    <${Heading} title="API keys" />
    <p class="quiet">Programs and assistants use a key instead of your password. It never has more rights than you.</p>
    ${secret && html`
      <section class="notice stack" role="status">
        <p><strong>The key “${secret.name}”. It is shown only now.</strong></p>
        <pre tabindex="0">${secret.api_key}</pre>
        <div><${Copy} text=${secret.api_key} /></div>
      </section>`}
    <${NewKey} done=${(created) => { setSecret(created); loaded.reload(); }} />
    <${Loaded} of=${loaded}>${({ api_keys }) => api_keys.length > 0 && html`
      <${Table} label="API keys" heads=${["Name", "Scope", "State", "Last used", "Expires", ""]}>
        ${api_keys.map((key) => html`<${Key} key=${key.id} apiKey=${key} reload=${loaded.reload} rotated=${setSecret} />`)}
      <//>`}
    <//>`;
}

function NewKey({ done }) {
  const form = useForm({ name: "", scope: "read", collection: "", expires_in_days: "" });
  const collections = useLoad((signal) => get("api/v2/collections", { query: { per_page: 100 }, signal }), []);
  const [create, isRunning, error] = useAction(async () => {
    const { name, scope, collection, expires_in_days } = form.values;
    done(await post("api/v2/api-keys", {
      name, scope,
      ...(collection && { collection_ids: [collection] }),
      ...(expires_in_days && { expires_in_days: Number(expires_in_days) }),
    }));
    form.set("name", "");
  });
  const known = collections.data?.collections ?? [];
  return html`
    <form class="card" onSubmit=${(event) => { event.preventDefault(); create(); }}>
      <h2>New key</h2>
      <div class="grid">
        <${Text} form=${form} name="name" label="Name" required error=${error?.of?.("name")} />
        <${Choice} form=${form} name="scope" label="Scope" options=${SCOPES} />
        <${Choice} form=${form} name="collection" label="Limited to" options=${[["", "all your collections"], ...known.map(({ id, name }) => [id, name])]} />
        <${Text} form=${form} name="expires_in_days" label="Days until it expires" hint="Empty: a year" type="number" min="1" error=${error?.of?.("expires_in_days")} />
      </div>
      <${Problem} error=${error} />
      <div><button disabled=${isRunning}>Create key</button></div>
    </form>`;
}

function Key({ apiKey: { id, name, scope, is_active, last_used_at, expires_at, collection_ids }, reload, rotated }) {
  const [act, isRunning, error] = useAction(async (action) => { await action(); reload(); });
  return html`
    <tr>
      <td class="name">${name}${collection_ids && html`<div class="why">limited to ${collection_ids.length} of your collections</div>`}
        <${Problem} error=${error} /></td>
      <td>${scope}</td>
      <td><${State} value=${is_active ? "active" : "inactive"} /></td>
      <td>${ago(last_used_at)}</td>
      <td>${expires_at ? date(expires_at) : "never"}</td>
      <td><div class="row">
        <${Confirm} label="Rotate" className="plain" disabled=${isRunning} question="Replace the secret of “${name}”?"
          action=${() => act(async () => rotated(await post(`api/v2/api-keys/${id}/rotate`, {})))} />
        <${Confirm} label="Delete" disabled=${isRunning} question="Delete the key “${name}”? Programs that use it are refused at once."
          action=${() => act(() => remove(`api/v2/api-keys/${id}`))} />
      </div></td>
    </tr>`;
}
