// Uploads: announced to the API in batches, put to the bucket a few at a time, then followed until they are indexed.
import { ApiError, get, post } from "./api.js";

const BATCH = 50;
const PARALLEL = 4;
const POLL_MS = 1500;
const UPLOADS_PER_POLL = 20;

/** What one file is doing: waiting, uploading, received (and indexed from then on), completed, skipped, failed. */
const ENDED = new Set(["completed", "skipped", "failed", "cancelled", "refused"]);
export const isEnded = ({ state }) => ENDED.has(state);

/** Hidden files, such as .DS_Store or .git/, are not documents. */
const isHidden = (name) => name.split("/").some((part) => part.startsWith("."));

/** Uploads files to a collection and tells `changed()` whenever something is different. */
export class Uploads {
  constructor(collection, changed) {
    this.collection = collection;
    this.changed = changed;
    this.entries = [];
    this.hidden = 0;
    this.isClosed = false;
  }

  /** Adds `{name, file}`s; a name that is added again replaces the earlier entry. */
  add(files) {
    const visible = files.filter(({ name }) => !isHidden(name));
    this.hidden += files.length - visible.length;
    const added = visible.map(({ name, file }) => ({ name: name.normalize("NFC"), file, state: "waiting", sent: 0, reason: null }));
    const names = new Set(added.map(({ name }) => name));
    this.entries = [...this.entries.filter(({ name }) => !names.has(name)), ...added];
    this.changed();
    this.#send(added);
    this.#follow();
  }

  close() {
    this.isClosed = true;
  }

  async #send(entries) {
    for (let start = 0; start < entries.length && !this.isClosed; start += BATCH) {
      const announced = await this.#announce(entries.slice(start, start + BATCH));
      const queue = announced.values();
      await Promise.all(Array.from({ length: PARALLEL }, async () => {
        for (const [entry, upload] of queue) await this.#put(entry, upload);
      }));
    }
  }

  /** Announces files; those that the API refuses fail with its reason, and the others are announced without them. */
  async #announce(entries) {
    if (entries.length === 0) return [];
    const files = entries.map(({ name, file }) => ({ name, size: file.size, ...(file.type && { content_type: file.type }) }));
    try {
      const { uploads } = await post(`api/v2/collections/${this.collection}/uploads`, { files });
      return entries.map((entry, index) => [entry, uploads[index]]);
    } catch (error) {
      const wrong = new Map((error.errors ?? []).map(({ field, message }) => [Number(/^files\[(\d+)\]/.exec(field)?.[1]), message]));
      const refused = entries.filter((_, index) => wrong.has(index));
      if (refused.length === 0) {
        for (const entry of entries) this.#fail(entry, error.message);
        return [];
      }
      entries.forEach((entry, index) => wrong.has(index) && this.#fail(entry, wrong.get(index)));
      return this.#announce(entries.filter((entry) => !refused.includes(entry)));
    }
  }

  /** XMLHttpRequest, because fetch does not tell how much was sent. */
  #put(entry, { id, url, method, headers }) {
    Object.assign(entry, { id, state: "uploading" });
    this.changed();
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      request.open(method, url);
      for (const [name, value] of Object.entries(headers)) {
        // The browser sets this one itself.
        if (name.toLowerCase() !== "content-length") request.setRequestHeader(name, value);
      }
      request.upload.onprogress = ({ loaded }) => { entry.sent = loaded; this.changed(); };
      request.onload = () => {
        if (request.status >= 200 && request.status < 300) Object.assign(entry, { state: "received", sent: entry.file.size });
        else this.#fail(entry, `The bucket answered ${request.status}; try again`);
        this.changed();
        resolve();
      };
      request.onerror = () => {
        this.#fail(entry, "The upload was interrupted, or the file cannot be read; try again");
        resolve();
      };
      request.send(entry.file);
    });
  }

  #fail(entry, reason) {
    Object.assign(entry, { state: "failed", reason });
    this.changed();
  }

  /** Follows received files until each has ended: by the documents that changed last, and by what became of uploads. */
  async #follow() {
    if (this.isFollowing) return;
    this.isFollowing = true;
    while (!this.isClosed && this.entries.some((entry) => !isEnded(entry))) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      const open = this.entries.filter(({ state }) => state === "received" || state === "processing");
      if (open.length === 0) continue;
      try {
        await this.#look(open);
      } catch (error) {
        if (error instanceof ApiError && [401, 403, 404].includes(error.status)) break;
      }
    }
    this.isFollowing = false;
  }

  async #look(open) {
    const path = `api/v2/collections/${this.collection}`;
    const query = { sort_by: "updated_at", sort_order: "desc", per_page: 100 };
    const { documents } = await get(`${path}/documents`, { query });
    const found = new Map(documents.map((document) => [document.file_path, document]));
    const untaken = open.filter(({ upload }) => !upload?.operation_id).slice(0, UPLOADS_PER_POLL);
    await Promise.all(untaken.map(async (entry) => { entry.upload = await get(`${path}/uploads/${entry.id}`); }));
    const ended = await this.#endedOperations(open);
    for (const entry of open) {
      const { status, reason, operation_id, created_at } = entry.upload ?? {};
      if (status === "refused") {
        this.#fail(entry, reason);
        continue;
      }
      const isOver = ended.has(operation_id);
      const document = found.get(entry.name) ?? (isOver ? await this.#find(entry.name) : undefined);
      // Until the upload is taken, the document is still that of before.
      if (document && (isOver || document.updated_at >= created_at)) {
        const state = document.status === "pending" ? "processing" : document.status;
        Object.assign(entry, { state, reason: document.error_message, document: document.id });
      } else if (isOver) {
        this.#fail(entry, "It was not indexed; see the operations of this collection");
      }
    }
    this.changed();
  }

  async #endedOperations(open) {
    const ids = new Set(open.map(({ upload }) => upload?.operation_id).filter(Boolean));
    const operations = await Promise.all(Array.from(ids, (id) => get(`api/v2/operations/${id}`)));
    return new Set(operations.filter(({ status }) => status !== "pending" && status !== "processing").map(({ id }) => id));
  }

  async #find(name) {
    const query = { search: name.slice(-255), per_page: 100 };
    const { documents } = await get(`api/v2/collections/${this.collection}/documents`, { query });
    return documents.find(({ file_path }) => file_path === name);
  }
}

/** Returns the files of what was dropped, with the paths that folders give them. */
export async function dropped(transfer) {
  // The list of items is gone after the first wait.
  const entries = Array.from(transfer.items, (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (entries.length === 0) return chosen(transfer.files);
  const files = [];
  for (const entry of entries) await walk(entry, files);
  return files;
}

/** Returns the files that were chosen in a dialog. */
export const chosen = (files) => Array.from(files, (file) => ({ name: file.webkitRelativePath || file.name, file }));

async function walk(entry, files) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    files.push({ name: entry.fullPath.replace(/^\//, ""), file });
    return;
  }
  const reader = entry.createReader();
  // Each call returns a part of the folder.
  for (;;) {
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (part.length === 0) return;
    for (const child of part) await walk(child, files);
  }
}
