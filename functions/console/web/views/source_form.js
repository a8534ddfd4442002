// Adding or changing a source: the form is that of the catalogue, so a new connector needs nothing here.
import { html, useState } from "../parts/html.js";
import { post, request } from "../parts/api.js";
import { bytes } from "../parts/format.js";
import { useAction } from "../parts/load.js";
import { SchemaFields, SecretFields, initialValues, toJson } from "../parts/schema_form.js";
import { Choice, Problem, useForm } from "../parts/ui.js";

export function SourceForm({ path, connectors, source, close }) {
  const [type, setType] = useState(source?.source_type ?? "web");
  const connector = connectors.find((known) => known.type === type) ?? connectors[0];
  const choice = { values: { type: connector.type }, set: (_, value) => setType(value) };
  return html`
    <section class="card stack">
      <h2>${source ? "Change the source" : "Add a source"}</h2>
      ${!source && html`
        <${Choice} form=${choice} name="type" label="Type" options=${connectors.map(({ type: value, name }) => [value, name])} />`}
      <p>${connector.description}</p>
      <${Settings} key=${connector.type} connector=${connector} path=${path} source=${source} close=${close} />
    </section>`;
}

function Settings({ connector, path, source, close }) {
  const { type, config_schema, secrets } = connector;
  const form = useForm(initialValues(config_schema, source?.source_config));
  const secretForm = useForm({});
  const [tested, setTested] = useState(null);
  const body = () => {
    const given = Object.entries(secretForm.values).filter(([, value]) => value);
    return { source_config: toJson(config_schema, form.values), ...(given.length > 0 && { secrets: Object.fromEntries(given) }) };
  };
  const [save, isSaving, saveError] = useAction(async () => {
    if (source) await request("PATCH", `${path}/${source.id}`, { body: body() });
    else await post(path, { source_type: type, ...body() });
    close();
  });
  const [test, isTesting, testError] = useAction(async () => {
    setTested(null);
    setTested(await post(`${path}/test`, { ...(source ? { source_id: source.id } : { source_type: type }), ...body() }));
  });
  const error = saveError ?? testError;
  return html`
    <form onSubmit=${(event) => { event.preventDefault(); save(); }}>
      <${SchemaFields} schema=${config_schema} form=${form} error=${error} prefix="source_config" />
      <${SecretFields} secrets=${secrets} form=${secretForm} error=${error} stored=${source} />
      <${Problem} error=${error} />
      <${Outcome} tested=${tested} isTesting=${isTesting} />
      <div class="row">
        <button disabled=${isSaving}>${source ? "Save" : "Add source"}</button>
        <button type="button" class="plain" disabled=${isTesting} onClick=${test}>Test connection</button>
        <button type="button" class="plain" onClick=${close}>Cancel</button>
      </div>
    </form>`;
}

function Outcome({ tested, isTesting }) {
  if (isTesting) return html`<p role="status">Testing…</p>`;
  if (!tested) return null;
  const { ok, error, is_temporary, documents, is_complete } = tested;
  if (!ok) return html`<div class="problem" role="alert"><p>${error}</p>${is_temporary && html`<p>It may work later.</p>`}</div>`;
  return html`
    <div class="notice" role="status">
      <p><strong>It works.</strong> ${documents.length === 0 ? "There are no documents." : is_complete ? "Its documents:" : "Its first documents:"}</p>
      <ul>${documents.map(({ uri, file_path, size_bytes }) => html`
        <li key=${uri}>${file_path}${size_bytes === null || size_bytes === undefined ? "" : ` (${bytes(size_bytes)})`}</li>`)}</ul>
    </div>`;
}
