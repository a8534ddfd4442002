// The frame of the console: who is signed in, where the views are, and which one is shown.
import { html, render, useEffect, useState } from "./parts/html.js";
import { get, isSignedIn, onSession, signOut } from "./parts/api.js";
import { useAction, useLoad } from "./parts/load.js";
import { to, useRoute } from "./parts/route.js";
import { Heading, Problem } from "./parts/ui.js";
import { Administration } from "./views/administration.js";
import { Collection } from "./views/collection.js";
import { Collections } from "./views/collections.js";
import { Document } from "./views/document.js";
import { Keys } from "./views/keys.js";
import { Mcp } from "./views/mcp.js";
import { NewCollection } from "./views/new_collection.js";
import { Search } from "./views/search.js";
import { SignIn } from "./views/sign_in.js";

const ICON = new URL("icon.svg", import.meta.url).href;

/** Returns the view at a path, with a key that changes when another one is shown. */
function viewAt([section = "collections", id, part, detail], { query, user }) {
  if (section === "collections" && !id) return html`<${Collections} key="collections" />`;
  if (section === "new") return html`<${NewCollection} key="new" />`;
  if (section === "collections" && part === "documents" && detail) {
    return html`<${Document} key=${detail} collection=${id} id=${detail} query=${query} />`;
  }
  if (section === "collections") return html`<${Collection} key=${id} id=${id} tab=${part} query=${query} user=${user} />`;
  if (section === "keys") return html`<${Keys} key="keys" />`;
  if (section === "assistants") return html`<${Mcp} key="assistants" />`;
  if (section === "administration" && user.is_superuser) return html`<${Administration} key="administration" tab=${id} user=${user} />`;
  if (section === "search") return html`<${Search} key="search" query=${query} />`;
  return html`<${Heading} title="No such page" /><p><a href=${to("collections")}>Your collections</a></p>`;
}

const SECTIONS = [["collections", "Collections"], ["search", "Search"], ["keys", "API keys"], ["assistants", "Assistants"]];
const ADMINISTRATION = ["administration", "Administration"];

function Bar({ user, current }) {
  const [leave, , error] = useAction(signOut);
  return html`
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.querySelector("h1")?.focus(); }}>Skip to content</a>
    <header class="bar">
      <a class="brand" href=${to("collections")}><img src=${ICON} width="26" height="26" alt="" />Semantik</a>
      <nav aria-label="Sections">
        ${[...SECTIONS, ...(user?.is_superuser ? [ADMINISTRATION] : [])].map(([section, name]) => html`
          <a href=${to(section)} aria-current=${section === current ? "page" : undefined}>${name}</a>`)}
      </nav>
      <span class="quiet">${user?.username}</span>
      <button type="button" class="plain" onClick=${() => leave()}>Sign out</button>
    </header>
    <${Problem} error=${error} />`;
}

function SignedIn() {
  const { segments, query } = useRoute();
  const { data: user, error } = useLoad((signal) => get("api/auth/me", { signal }), []);
  return html`
    <${Bar} user=${user} current=${segments[0] === "new" ? "collections" : segments[0] ?? "collections"} />
    <main id="main">
      <${Problem} error=${error} />
      ${user && viewAt(segments, { query, user })}
    </main>`;
}

function App() {
  const [signedIn, setSignedIn] = useState(isSignedIn());
  useEffect(() => onSession(() => setSignedIn(isSignedIn())), []);
  return signedIn ? html`<${SignedIn} />` : html`<main><${SignIn} icon=${ICON} /></main>`;
}

render(html`<${App} />`, document.getElementById("app"));
