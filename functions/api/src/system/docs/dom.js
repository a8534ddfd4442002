// DOM helpers without innerHTML, so that text is never parsed as markup.

/// Creates an element. Function attributes become event listeners; false and null attributes are omitted.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/// Renders text with `code` in backticks.
export function inline(text) {
  return text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));
}

/// Renders paragraphs, and lists of lines that start with a dash.
export function prose(text) {
  return (text ?? "").split(/\n\s*\n/).filter((part) => part.trim()).map((part) => {
    const lines = part.trim().split("\n");
    if (lines.every((line) => /^\s*[-*] /.test(line))) {
      return h("ul", {}, lines.map((line) => h("li", {}, inline(line.replace(/^\s*[-*] /, "")))));
    }
    return h("p", {}, inline(lines.join(" ")));
  });
}

/// Formats a value as indented JSON; strings stay unchanged.
export function pretty(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
