// What superusers do: users, grants, the installation, and the audit log of everything.
import { html } from "../parts/html.js";
import { get, request } from "../parts/api.js";
import { count } from "../parts/format.js";
import { useAction, useLoad } from "../parts/load.js";
import { to } from "../parts/route.js";
import { Heading, Loaded, Problem, State, Table } from "../parts/ui.js";
import { AuditOfAll } from "./audit.js";
import { Grants } from "./grants.js";
import { Users } from "./users.js";

const TABS = [["users", "Users", Users], ["grants", "Source grants", Grants], ["system", "System", System], ["audit", "Audit log", AuditOfAll]];

export function Administration({ tab = "users", user }) {
  const [path, name, View] = TABS.find(([known]) => known === tab) ?? TABS[0];
  return html`
    <${Heading} key=${path} title="Administration: ${name}">Administration<//>
    <nav class="tabs" aria-label="Administration">
      ${TABS.map(([known, label]) => html`
        <a href=${to("administration", known)} aria-current=${known === path ? "page" : undefined}>${label}</a>`)}
    </nav>
    <${View} key=${path} user=${user} />`;
}

function System() {
  const loaded = useLoad(async (signal) => {
    const [status, info, settings] = await Promise.all(
      ["status", "info"].map((name) => get(`api/v2/system/${name}`, { signal })).concat(get("api/v2/system-settings", { signal })));
    return { status, info, settings };
  }, [], () => 10_000);
  const [change, isRunning, error] = useAction(async (registration_open) => {
    await request("PATCH", "api/v2/system-settings", { body: { registration_open } });
    loaded.reload();
  });
  return html`<${Loaded} of=${loaded}>${({ status, info, settings }) => html`
    <section class="card stack">
      <div class="row apart"><h2>Semantik ${info.version}</h2><${State} value=${status.status} /></div>
      <${Table} label="Components" heads=${["Component", "State", "Latency"]}>
        ${Object.entries(status.components).map(([name, { state, milliseconds }]) => html`
          <tr key=${name}><td>${name}</td><td><${State} value=${state} /></td><td>${Math.round(milliseconds)} ms</td></tr>`)}
      <//>
    </section>
    <section class="card stack">
      <h2>Registration</h2>
      <p>${settings.registration_open ? "Anyone may create an account." : "Only superusers create accounts."}</p>
      <${Problem} error=${error} />
      <div><button type="button" class="plain" disabled=${isRunning} onClick=${() => change(!settings.registration_open)}>
        ${settings.registration_open ? "Close registration" : "Open registration"}</button></div>
    </section>
    <section class="card stack">
      <h2>${count(info.embedding_models.length, "embedding model")}</h2>
      <ul>${info.embedding_models.map(({ name, dimension, max_tokens }) => html`
        <li key=${name}>${name}: ${dimension} dimensions, reads ${max_tokens} tokens</li>`)}</ul>
    </section>`}<//>`;
}
