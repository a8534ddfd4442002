// Users of the installation, for superusers.
import { html, useState } from "../parts/html.js";
import { get, post, request } from "../parts/api.js";
import { ago } from "../parts/format.js";
import { useAction, useLoad } from "../parts/load.js";
import { Check, Confirm, Loaded, Pager, Problem, State, Table, Text, useForm } from "../parts/ui.js";

const PER_PAGE = 50;

export function Users({ user }) {
  const form = useForm({ search: "" });
  const [page, setPage] = useState(1);
  const { search } = form.values;
  const loaded = useLoad((signal) => get("api/v2/admin/users", { query: { search, page, per_page: PER_PAGE }, signal }), [search, page]);
  return html`
    <${NewUser} reload=${loaded.reload} />
    <${Text} form=${form} name="search" label="Find a user" type="search" />
    <${Loaded} of=${loaded}>${({ users, total }) => html`
      <${Table} label="Users" heads=${["User", "State", "Last sign-in", ""]}>
        ${users.map((other) => html`<${Row} key=${other.id} user=${other} isSelf=${other.id === user.id} reload=${loaded.reload} />`)}
      <//>
      <${Pager} page=${page} perPage=${PER_PAGE} total=${total} go=${setPage} />`}
    <//>`;
}

function NewUser({ reload }) {
  const form = useForm({ username: "", email: "", password: "", is_superuser: false });
  const [create, isRunning, error] = useAction(async () => {
    await post("api/v2/admin/users", form.values);
    form.reset({ username: "", email: "", password: "", is_superuser: false });
    reload();
  });
  return html`
    <form class="card" onSubmit=${(event) => { event.preventDefault(); create(); }}>
      <h2>New user</h2>
      <div class="grid">
        <${Text} form=${form} name="username" label="User name" required autocomplete="off" error=${error?.of?.("username")} />
        <${Text} form=${form} name="email" label="Email" type="email" required autocomplete="off" error=${error?.of?.("email")} />
        <${Text} form=${form} name="password" label="First password" type="password" required autocomplete="new-password" error=${error?.of?.("password")} />
      </div>
      <${Check} form=${form} name="is_superuser" label="Superuser: manages users, grants and the installation" />
      <${Problem} error=${error} />
      <div><button disabled=${isRunning}>Create user</button></div>
    </form>`;
}

function Row({ user: { id, username, email, is_active, is_superuser, last_login }, isSelf, reload }) {
  const [change, isRunning, error] = useAction(async (body) => {
    await request("PATCH", `api/v2/admin/users/${id}`, { body });
    reload();
  });
  return html`
    <tr>
      <td class="name">${username}<div class="why">${email}${is_superuser ? ", superuser" : ""}</div><${Problem} error=${error} /></td>
      <td><${State} value=${is_active ? "active" : "inactive"} /></td>
      <td>${ago(last_login)}</td>
      <td>${!isSelf && (is_active
        ? html`<${Confirm} label="Deactivate" disabled=${isRunning} action=${() => change({ is_active: false })}
            question="Deactivate ${username}? Sessions and API keys are refused at once; collections are kept." />`
        : html`<button type="button" class="plain" disabled=${isRunning} onClick=${() => change({ is_active: true })}>Activate</button>`)}</td>
    </tr>`;
}
