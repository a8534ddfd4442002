// Who may do what with a collection.
import { html } from "../parts/html.js";
import { get, post, remove } from "../parts/api.js";
import { ago } from "../parts/format.js";
import { useAction, useLoad } from "../parts/load.js";
import { Choice, Confirm, Loaded, Problem, Table, Text, useForm } from "../parts/ui.js";

const LEVELS = [["read", "read: search and open documents"], ["write", "write: also upload, sync and delete documents"], ["admin", "admin: also settings and sharing"]];

export function Sharing({ collection }) {
  const path = `api/v2/collections/${collection.id}/permissions`;
  const form = useForm({ name: "", permission: "read" });
  const loaded = useLoad((signal) => get(path, { query: { per_page: 100 }, signal }), [collection.id]);
  const [share, isRunning, error] = useAction(async () => {
    const { name, permission } = form.values;
    await post(path, { [name.includes("@") ? "email" : "username"]: name, permission });
    form.set("name", "");
    loaded.reload();
  });
  return html`
    <form class="card" onSubmit=${(event) => { event.preventDefault(); share(); }}>
      <h2>Share</h2>
      <div class="grid">
        <${Text} form=${form} name="name" label="User name or email" required autocomplete="off" />
        <${Choice} form=${form} name="permission" label="Access" options=${LEVELS} />
      </div>
      <${Problem} error=${error} />
      <div><button disabled=${isRunning}>Share</button></div>
    </form>
    <${Loaded} of=${loaded}>${({ permissions }) => permissions.length === 0
      ? html`<p class="quiet">Not shared with anyone${collection.is_public ? ", but public: everyone who is signed in may read it" : ""}.</p>`
      : html`
        <${Table} label="Access" heads=${["Who", "Access", "Since", ""]}>
          ${permissions.map((permission) => html`<${Permission} key=${permission.id} permission=${permission} path=${path} reload=${loaded.reload} />`)}
        <//>`}
    <//>`;
}

function Permission({ permission: { id, grantee, permission, created_at }, path, reload }) {
  const who = grantee.api_key_id ? `API key ${grantee.name} of ${grantee.username}` : grantee.username;
  const [revoke, isRunning, error] = useAction(async () => {
    await remove(`${path}/${id}`);
    reload();
  });
  return html`
    <tr>
      <td class="name">${who}<${Problem} error=${error} /></td><td>${permission}</td><td>${ago(created_at)}</td>
      <td><${Confirm} label="Revoke" disabled=${isRunning} action=${revoke} question="End the access of ${who}? It ends at once." /></td>
    </tr>`;
}
