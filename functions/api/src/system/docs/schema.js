// Renders schemas: as one line, as a list of fields, and as an example.

import { h, inline } from "./dom.js";

export class Schemas {
  constructor(description) {
    this.description = description;
  }

  /// Resolves a `$ref`; sibling fields take precedence.
  resolve(part) {
    const { $ref: reference, ...beside } = part ?? {};
    if (reference === undefined) return part ?? {};
    const steps = reference.replace(/^#\//, "").split("/").map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
    const found = steps.reduce((value, step) => value?.[step], this.description);
    return { ...this.resolve(found), ...beside };
  }

  /// Returns the schema without its `null` alternative, and whether it had one.
  withoutNull(part) {
    const schema = this.resolve(part);
    const choices = schema.oneOf ?? schema.anyOf;
    if (choices) {
      const others = choices.filter((choice) => this.resolve(choice).type !== "null");
      const nullable = others.length < choices.length;
      if (others.length === 1) return { schema: { ...this.resolve(others[0]), ...described(schema) }, nullable };
      return { schema, nullable };
    }
    if (Array.isArray(schema.type)) {
      const types = schema.type.filter((type) => type !== "null");
      const type = types.length === 1 ? types[0] : types;
      return { schema: { ...schema, type }, nullable: types.length < schema.type.length };
    }
    return { schema, nullable: false };
  }

  /// Describes the type, for example `array of string (uuid) or null`.
  type(part) {
    const { schema, nullable } = this.withoutNull(part);
    return this.plainType(schema) + (nullable ? " or null" : "");
  }

  plainType(schema) {
    const choices = schema.oneOf ?? schema.anyOf;
    if (choices) return choices.map((choice) => this.type(choice)).filter((type) => type !== "null").join(" or ");
    if (schema.const !== undefined) return JSON.stringify(schema.const);
    if (schema.enum) return schema.enum.filter((value) => value !== null).map((value) => JSON.stringify(value)).join(", ");
    if (schema.type === "array") return `array of ${this.type(schema.items)}`;
    const type = Array.isArray(schema.type) ? schema.type.join(" or ") : schema.type ?? (schema.properties ? "object" : "anything");
    return schema.format ? `${type} (${schema.format})` : type;
  }

  /// Describes the constraints, for example `1 to 255 characters`.
  bounds(part) {
    const { schema } = this.withoutNull(part);
    const constraints = [];
    const range = (min, max, unit) => {
      if (min !== undefined && max !== undefined) constraints.push(`${min} to ${max}${unit}`);
      else if (min !== undefined) constraints.push(`at least ${min}${unit}`);
      else if (max !== undefined) constraints.push(`at most ${max}${unit}`);
    };
    range(schema.minLength, schema.maxLength, " characters");
    range(schema.minItems, schema.maxItems, " items");
    range(schema.minimum, schema.maximum, "");
    if (schema.pattern) constraints.push(`matching ${schema.pattern}`);
    if (schema.default !== undefined && schema.default !== null) constraints.push(`default ${JSON.stringify(schema.default)}`);
    return constraints.join(", ");
  }

  /// Renders an object's fields as a definition list; for arrays those of the items; null if there are none.
  fields(part, path = []) {
    let { schema } = this.withoutNull(part);
    while (schema.type === "array") schema = this.withoutNull(schema.items).schema;
    const parts = [schema, ...(schema.allOf ?? []).map((all) => this.resolve(all))];
    const properties = Object.assign({}, ...parts.map((one) => one.properties));
    const required = parts.flatMap((one) => one.required ?? []);
    const choices = (schema.oneOf ?? schema.anyOf ?? []).filter((choice) => this.fields(choice, path));
    if (choices.length > 0) {
      return h("div", {}, choices.map((choice) => h("div", { class: "choice" }, this.fields(choice, path))));
    }
    if (Object.keys(properties).length === 0 || path.includes(schema.properties)) return null;
    const rows = Object.entries(properties).map(([name, property]) => {
      const bounds = this.bounds(property);
      const nested = this.fields(property, [...path, schema.properties]);
      return h("div", { class: "field" },
        h("dt", {}, h("code", {}, name), required.includes(name) ? h("span", { class: "required" }, "required") : null),
        h("dd", {},
          h("span", { class: "type" }, this.type(property), bounds ? `, ${bounds}` : ""),
          h("span", {}, inline(this.withoutNull(property).schema.description ?? "")),
          nested ? h("details", {}, h("summary", {}, "fields"), nested) : null));
    });
    return h("dl", { class: "fields" }, rows);
  }

  /// Returns an example of a body: the declared one, or one built from the schema. Request examples omit
  /// optional fields.
  ofContent(content, isRequest = false) {
    if (content.example !== undefined) return content.example;
    const named = Object.values(content.examples ?? {})[0];
    return named === undefined ? this.example(content.schema, isRequest) : this.resolve(named).value;
  }

  example(part, isRequest, depth = 0) {
    const { schema } = this.withoutNull(part);
    if (schema.example !== undefined) return schema.example;
    if (schema.examples?.length) return schema.examples[0];
    if (schema.default !== undefined) return schema.default;
    if (schema.const !== undefined) return schema.const;
    if (schema.enum) return schema.enum[0];
    if (depth > 6) return null;
    const choice = (schema.oneOf ?? schema.anyOf)?.[0];
    if (choice) return this.example(choice, isRequest, depth + 1);
    if (schema.allOf) return Object.assign({}, ...schema.allOf.map((all) => this.example(all, isRequest, depth + 1)));
    if (schema.type === "array") return [this.example(schema.items, isRequest, depth + 1)];
    if (schema.type === "object" || schema.properties) {
      const wanted = ([name, property]) =>
        !isRequest || schema.required?.includes(name) || property.example !== undefined || property.default !== undefined;
      const properties = Object.entries(schema.properties ?? {}).filter(wanted);
      return Object.fromEntries(properties.map(([name, property]) => [name, this.example(property, isRequest, depth + 1)]));
    }
    if (schema.type === "integer" || schema.type === "number") return schema.minimum ?? 1;
    if (schema.type === "boolean") return false;
    const formats = {
      uuid: "5f1d0c1e-8f4b-4f0e-9a53-6c1f0a6d2b11", "date-time": "2026-11-24T10:00:00Z", date: "2026-11-24",
      email: "ada@example.org", uri: "https://example.org/", binary: "(bytes)",
    };
    return formats[schema.format] ?? "string";
  }
}

/// Returns the description of a schema that wraps a reference.
function described(schema) {
  return schema.description ? { description: schema.description } : {};
}
