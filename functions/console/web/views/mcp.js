// Profiles of MCP: which collections an assistant searches, and the settings to copy into it.
import { html } from "../parts/html.js";
import { get, post, remove } from "../parts/api.js";
import { useAction, useLoad } from "../parts/load.js";
import { Choice, Confirm, Copy, Heading, Loaded, Problem, State, Text, useForm } from "../parts/ui.js";

export function Mcp() {
  const loaded = useLoad((signal) => get("api/v2/mcp/profiles", { query: { per_page: 100 }, signal }), []);
  return html`
    <${Heading} title="Assistants" />
    <p class="quiet">Assistants search your collections by the Model Context Protocol. A profile says which ones, and how. It
      needs an <a href="#/keys">API key</a>.</p>
    <${NewProfile} reload=${loaded.reload} />
    <${Loaded} of=${loaded}>${({ profiles }) => profiles.map((profile) => html`
      <${Profile} key=${profile.id} profile=${profile} reload=${loaded.reload} />`)}<//>`;
}

function NewProfile({ reload }) {
  const form = useForm({ name: "", description: "", collection: "", search_mode: "hybrid" });
  const collections = useLoad((signal) => get("api/v2/collections", { query: { per_page: 100 }, signal }), []);
  const known = collections.data?.collections ?? [];
  const [create, isRunning, error] = useAction(async () => {
    const { collection, ...rest } = form.values;
    await post("api/v2/mcp/profiles", { ...rest, collection_ids: [collection || known[0]?.id].filter(Boolean) });
    form.set("name", "");
    reload();
  });
  return html`
    <form class="card" onSubmit=${(event) => { event.preventDefault(); create(); }}>
      <h2>New profile</h2>
      <div class="grid">
        <${Text} form=${form} name="name" label="Name" required error=${error?.of?.("name")} />
        <${Choice} form=${form} name="collection" label="Collection" options=${known.map(({ id, name }) => [id, name])} />
        <${Choice} form=${form} name="search_mode" label="Find by" options=${[["hybrid", "Meaning and words"], ["dense", "Meaning"], ["sparse", "Words"]]} />
      </div>
      <${Text} form=${form} name="description" label="What the assistant finds there" error=${error?.of?.("description")} />
      <${Problem} error=${error} />
      <div><button disabled=${isRunning || known.length === 0}>Create profile</button></div>
    </form>`;
}

function Profile({ profile: { id, name, description, collections, search_mode, enabled }, reload }) {
  const settings = useLoad((signal) => get(`api/v2/mcp/profiles/${id}/config`, { signal }), [id]);
  const [drop, isRunning, error] = useAction(async () => {
    await remove(`api/v2/mcp/profiles/${id}`);
    reload();
  });
  return html`
    <article class="card stack">
      <div class="row apart"><h2>${name}</h2><${State} value=${enabled ? "active" : "disabled"} /></div>
      ${description && html`<p>${description}</p>`}
      <p class="quiet">${collections.map((collection) => collection.name).join(", ")} · ${search_mode}</p>
      <details>
        <summary>Settings to copy</summary>
        <${Loaded} of=${settings}>${({ mcpServers }) => {
          const text = JSON.stringify({ mcpServers }, null, 2);
          return html`<div class="stack"><pre tabindex="0">${text}</pre><div><${Copy} text=${text} label="Copy the settings" /></div></div>`;
        }}<//>
      </details>
      <div><${Confirm} label="Delete" disabled=${isRunning} action=${drop} question="Delete the profile “${name}”?" /></div>
      <${Problem} error=${error} />
    </article>`;
}
