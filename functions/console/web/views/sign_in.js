// Sign in, or register where that is open.
import { html, useState } from "../parts/html.js";
import { get, post, signIn } from "../parts/api.js";
import { useAction, useLoad } from "../parts/load.js";
import { Heading, Problem, Text, useForm } from "../parts/ui.js";

export function SignIn({ icon }) {
  const [isNew, setNew] = useState(false);
  const form = useForm({});
  const info = useLoad((signal) => get("api/v2/system/info", { signal }), []);
  const [submit, isRunning, error] = useAction(async () => {
    const { username, email, password } = form.values;
    if (isNew) await post("api/auth/register", { username, email, password });
    await signIn(username, password);
  });
  const title = isNew ? "Create an account" : "Sign in";
  return html`
    <section class="card narrow stack">
      <div class="brand"><img src=${icon} width="32" height="32" alt="" />Semantik</div>
      <${Heading} key=${title} title=${title} />
      <form onSubmit=${(event) => { event.preventDefault(); submit(); }}>
        <${Text} form=${form} name="username" label="User name" autocomplete="username" required
          error=${error?.of?.("username")} />
        ${isNew && html`<${Text} form=${form} name="email" label="Email" type="email" autocomplete="email" required error=${error?.of?.("email")} />`}
        <${Text} form=${form} name="password" label="Password" type="password" required
          hint=${isNew && "At least 8 characters"} autocomplete=${isNew ? "new-password" : "current-password"} error=${error?.of?.("password")} />
        <${Problem} error=${error} />
        <button disabled=${isRunning}>${title}</button>
      </form>
      ${info.data?.registration_open && html`
        <p>${isNew ? "You have an account?" : "No account yet?"}${" "}
          <button type="button" class="link" onClick=${() => setNew(!isNew)}>${isNew ? "Sign in" : "Create an account"}</button></p>`}
      <p class="hint">You are signed out when you close or reload this page.</p>
    </section>`;
}
