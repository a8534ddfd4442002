// Requests to the API, and the session that they are made in.
//
// Tokens are kept in memory only: nothing that runs in this browser later can read them, and a reload signs out.

/** Where the API is: this file is at console/{version}/parts/ below it. */
export const BASE = new URL("../../../", import.meta.url);

// A token that expires sooner is refreshed before the request.
const REFRESH_MARGIN_MS = 30_000;
const ATTEMPTS = 4;
const LONGEST_WAIT_MS = 10_000;

/** A problem document of the API, or a failure to reach it (status 0). */
export class ApiError extends Error {
  constructor(status, detail, errors = [], requestId = null) {
    super(detail);
    this.status = status;
    this.errors = errors;
    this.requestId = requestId;
  }

  /** Returns what is wrong with a field of the request, if anything. */
  of(field) {
    return this.errors.find((error) => error.field === field)?.message;
  }
}

let tokens = null;
let refreshing = null;
const listeners = new Set();

export const isSignedIn = () => tokens !== null;

/** Calls a function whenever the session begins or ends; returns what stops that. */
export function onSession(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export async function signIn(username, password) {
  keep(await send("POST", "api/auth/login", { body: { username, password } }));
  notify();
}

export async function signOut() {
  const { refresh_token } = tokens;
  try {
    await request("POST", "api/auth/logout", { body: { refresh_token } });
  } finally {
    end();
  }
}

/** Forgets the session here; the API has ended it, or it expired. */
export function end() {
  tokens = null;
  notify();
}

const notify = () => listeners.forEach((listener) => listener());

function keep(answer) {
  tokens = { ...answer, expires_at: Date.now() + answer.expires_in * 1000 };
}

/**
 * Sends a request in the session and returns the JSON of the response, or the response itself with `raw`.
 * Paths are relative to the API, without a leading slash.
 */
export async function request(method, path, options = {}) {
  if (tokens && tokens.expires_at - Date.now() < REFRESH_MARGIN_MS) await refresh();
  const used = tokens?.access_token;
  try {
    return await send(method, path, { ...options, token: used });
  } catch (error) {
    if (error.status !== 401 || !used) throw error;
    // Another request may have refreshed the token meanwhile.
    if (tokens?.access_token === used) await refresh();
    return send(method, path, { ...options, token: tokens?.access_token });
  }
}

export const get = (path, options) => request("GET", path, options);
export const post = (path, body, options) => request("POST", path, { body, ...options });
export const remove = (path, options) => request("DELETE", path, options);

/** Refresh tokens are rotated, and reuse ends the session: requests at the same time share one refresh. */
function refresh() {
  refreshing ??= send("POST", "api/auth/refresh", { body: { refresh_token: tokens?.refresh_token } })
    .then(keep)
    .catch((error) => {
      if (error.status === 401 || error.status === 403) end();
      throw error;
    })
    .finally(() => { refreshing = null; });
  return refreshing;
}

async function send(method, path, { body, query, token, signal, raw } = {}) {
  const url = new URL(path, BASE);
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, value);
  }
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  // Creating twice is prevented by the key, so a request may be repeated whatever it does.
  if (method === "POST" && token) headers["Idempotency-Key"] = crypto.randomUUID?.() ?? randomKey();
  // Not from the cache: the ETag of a resource is that of its editable fields, so a state that changed would not be seen.
  const request = { method, headers, signal, cache: "no-store", referrerPolicy: "no-referrer" };
  if (body !== undefined) request.body = JSON.stringify(body);
  for (let attempt = 1; ; attempt += 1) {
    let response;
    try {
      response = await fetch(url, request);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      if (method !== "GET" || attempt === ATTEMPTS) {
        throw new ApiError(0, "The server cannot be reached; check the connection and try again");
      }
      await pause(attempt * 500, signal);
      continue;
    }
    if (response.ok) return raw ? response : response.status === 204 ? null : parsed(response);
    if ([429, 503].includes(response.status) && attempt < ATTEMPTS) {
      const seconds = Number(response.headers.get("Retry-After")) || attempt;
      await pause(Math.min(seconds * 1000, LONGEST_WAIT_MS), signal);
      continue;
    }
    throw await problem(response);
  }
}

async function parsed(response) {
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

async function problem(response) {
  const text = await response.text();
  try {
    const { detail, errors, request_id } = JSON.parse(text);
    return new ApiError(response.status, detail, errors, request_id);
  } catch {
    return new ApiError(response.status, `The server answered ${response.status}; try again later`);
  }
}

export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("aborted", "AbortError"));
    });
  });
}

/** crypto.randomUUID exists only where the page was loaded over HTTPS or from this machine. */
function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
