// Views are addressed by the fragment of the URL: the server knows one page only.
import { useEffect, useState } from "./html.js";

/** Returns the path of the fragment in segments, and its parameters. */
function read() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  return {
    segments: path.split("/").filter(Boolean).map(decodeURIComponent),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

export function useRoute() {
  const [route, setRoute] = useState(read);
  useEffect(() => {
    const follow = () => setRoute(read());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return route;
}

/** Returns the fragment of a view: `to("collections", id)`; a last object has its parameters. */
export function to(...parts) {
  const query = typeof parts.at(-1) === "object" ? parts.pop() : {};
  const parameters = new URLSearchParams(Object.entries(query).filter(([, value]) => value));
  const suffix = parameters.size ? `?${parameters}` : "";
  return `#/${parts.map(encodeURIComponent).join("/")}${suffix}`;
}

export function navigate(...parts) {
  location.hash = to(...parts);
}
