// A form drawn from a JSON Schema of the catalogue: one control per property.
import { html } from "./html.js";
import { words } from "./format.js";
import { Check, Choice, Field, Text } from "./ui.js";

const typeOf = ({ type }) => (Array.isArray(type) ? type.find((name) => name !== "null") : type) ?? "string";

/** Returns the values that a form begins with: those that exist, else the defaults of the schema. */
export function initialValues(schema, existing = {}) {
  const values = {};
  for (const [name, property] of Object.entries(schema.properties)) {
    const value = existing[name] ?? property.default;
    values[name] = typeOf(property) === "array" ? (value ?? []).join("\n") : value ?? "";
  }
  return values;
}

/** Returns the JSON that the values of a form stand for; empty fields are left out. */
export function toJson(schema, values) {
  const json = {};
  for (const [name, property] of Object.entries(schema.properties)) {
    const value = values[name];
    const type = typeOf(property);
    if (type === "array") {
      json[name] = value.split("\n").map((line) => line.trim()).filter(Boolean);
    } else if (type === "boolean") {
      json[name] = Boolean(value);
    } else if (value !== "" && value !== null && value !== undefined) {
      json[name] = type === "integer" || type === "number" ? Number(value) : value;
    }
  }
  return json;
}

export function SchemaFields({ schema, form, error, prefix }) {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties).map(([name, property]) => html`
    <${SchemaField} key=${name} name=${name} property=${property} isRequired=${required.has(name)} form=${form}
      error=${error?.of?.(`${prefix}.${name}`)} />`);
}

function SchemaField({ name, property, isRequired, form, error }) {
  const type = typeOf(property);
  const label = `${words(name).replace(/^./, (letter) => letter.toUpperCase())}${isRequired ? "" : " (optional)"}`;
  const shared = { form, name, label, hint: property.description, error, required: isRequired };
  if (type === "boolean") return html`<${Check} form=${form} name=${name} label=${words(name)} hint=${property.description} />`;
  if (property.enum) return html`<${Choice} ...${shared} options=${property.enum.map((value) => [value, words(String(value))])} />`;
  if (type === "array") return html`<${Lines} ...${shared} hint="${property.description} One per line." />`;
  if (type === "integer" || type === "number") {
    return html`<${Text} ...${shared} type="number" min=${property.minimum} max=${property.maximum} />`;
  }
  return html`<${Text} ...${shared} maxlength=${property.maxLength} />`;
}

function Lines({ form, name, label, hint, error }) {
  return html`
    <${Field} label=${label} hint=${hint} error=${error}>
      ${(wired) => html`<textarea ...${wired} rows="3" value=${form.values[name] ?? ""}
        onInput=${(event) => form.set(name, event.target.value)}></textarea>`}
    <//>`;
}

/** Fields of secrets: write-only, so an empty one keeps what is stored. */
export function SecretFields({ secrets, form, error, stored }) {
  if (secrets.length === 0) return null;
  return html`
    <fieldset>
      <legend>Secrets</legend>
      ${secrets.map(({ name, description, required }) => {
        const shared = {
          form, name, label: `${words(name)}${required ? "" : " (optional)"}`, error: error?.of?.(`secrets.${name}`),
          hint: `${description}${stored?.[`has_${name}`] ? " Stored; leave it empty to keep it." : ""}`,
        };
        // A private key has several lines, which a password field would join.
        return name === "ssh_key" ? html`<${Lines} key=${name} ...${shared} />`
          : html`<${Text} key=${name} ...${shared} type="password" autocomplete="off" />`;
      })}
    </fieldset>`;
}
