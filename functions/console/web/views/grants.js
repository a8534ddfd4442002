// Which buckets and directories of the server sources may read, for superusers.
import { html } from "../parts/html.js";
import { get, post, remove } from "../parts/api.js";
import { ago } from "../parts/format.js";
import { useAction, useLoad } from "../parts/load.js";
import { Choice, Confirm, Loaded, Problem, Table, Text, useForm } from "../parts/ui.js";

export function Grants() {
  const loaded = useLoad((signal) => get("api/v2/admin/source-grants", { query: { per_page: 100 }, signal }), []);
  return html`
    <${NewGrant} reload=${loaded.reload} />
    <${Loaded} of=${loaded}>${({ source_grants }) => source_grants.length === 0
      ? html`<p class="quiet">No bucket or directory is granted.</p>`
      : html`
        <${Table} label="Source grants" heads=${["Place", "To", "Granted", ""]}>
          ${source_grants.map((grant) => html`<${Row} key=${grant.id} grant=${grant} reload=${loaded.reload} />`)}
        <//>`}
    <//>`;
}

function NewGrant({ reload }) {
  const form = useForm({ kind: "bucket", place: "", prefix: "", username: "" });
  const { kind, place, prefix, username } = form.values;
  const [grant, isRunning, error] = useAction(async () => {
    await post("api/v2/admin/source-grants", {
      [kind]: place, ...(kind === "bucket" && prefix && { prefix }), ...(username ? { username } : { everyone: true }),
    });
    reload();
  });
  return html`
    <form class="card" onSubmit=${(event) => { event.preventDefault(); grant(); }}>
      <h2>Grant a place</h2>
      <div class="grid">
        <${Choice} form=${form} name="kind" label="Kind" options=${[["bucket", "bucket"], ["directory", "directory"]]} />
        <${Text} form=${form} name="place" label=${kind === "bucket" ? "Bucket" : "Directory"} required error=${error?.of?.(kind)} />
        ${kind === "bucket" && html`<${Text} form=${form} name="prefix" label="Prefix (optional)" error=${error?.of?.("prefix")} />`}
        <${Text} form=${form} name="username" label="User" hint="Empty: everyone" error=${error?.of?.("username")} />
      </div>
      <${Problem} error=${error} />
      <div><button disabled=${isRunning}>Grant</button></div>
    </form>`;
}

function Row({ grant: { id, bucket, prefix, directory, everyone, username, created_at }, reload }) {
  const place = directory ?? `s3://${bucket}/${prefix ?? ""}`;
  const [revoke, isRunning, error] = useAction(async () => {
    await remove(`api/v2/admin/source-grants/${id}`);
    reload();
  });
  return html`
    <tr>
      <td class="name"><code>${place}</code><${Problem} error=${error} /></td>
      <td>${everyone ? "everyone" : username}</td><td>${ago(created_at)}</td>
      <td><${Confirm} label="Revoke" disabled=${isRunning} action=${revoke} question="Revoke ${place}? Sources that read it fail from then on." /></td>
    </tr>`;
}
