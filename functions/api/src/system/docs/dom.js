// Elements without innerHTML: text stays text, whatever it holds.

/// Makes an element; attributes that are functions become listeners, false and null ones are left out.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/// Words with `code` in backticks.
export function inline(text) {
  return text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));
}

/// Paragraphs, and lists of lines that start with a dash.
export function prose(text) {
  return (text ?? "").split(/\n\s*\n/).filter((part) => part.trim()).map((part) => {
    const lines = part.trim().split("\n");
    if (lines.every((line) => /^\s*[-*] /.test(line))) {
      return h("ul", {}, lines.map((line) => h("li", {}, inline(line.replace(/^\s*[-*] /, "")))));
    }
    return h("p", {}, inline(lines.join(" ")));
  });
}

/// JSON for reading; anything else as it is.
export function pretty(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
