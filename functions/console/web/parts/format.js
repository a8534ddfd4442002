// Numbers, times and sizes as people read them.

const number = new Intl.NumberFormat("en");
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];

export const count = (value, noun) =>
  `${number.format(value)} ${value === 1 ? noun : noun.endsWith("s") ? noun : `${noun}s`}`;
export const integer = (value) => number.format(value);

export function bytes(value) {
  for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (value >= size) return `${(value / size).toFixed(value >= 10 * size ? 0 : 1)} ${unit}`;
  }
  return `${value} B`;
}

export function ago(text) {
  if (!text) return "never";
  const seconds = (new Date(text) - Date.now()) / 1000;
  const [unit, length] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return relative.format(Math.round(seconds / length), unit);
}

export const date = (text) => (text ? new Date(text).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" }) : "");

/** `waiting_for` and the like in words. */
export const words = (text) => (text ?? "").replaceAll("_", " ");

/** Returns where in its document a passage is: pages, else lines. */
export function place({ first_page, last_page, first_line, last_line }) {
  const range = (one, many, first, last) => (last && last !== first ? `${many} ${first}–${last}` : `${one} ${first}`);
  if (first_page) return range("page", "pages", first_page, last_page);
  if (first_line) return range("line", "lines", first_line, last_line);
  return "";
}
