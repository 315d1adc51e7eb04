/** The pictures of this session in the browser's own store, so that a reload loses none. They go with the session. */

import { Picture } from "./picture";
import { Item } from "./session";

const NAME = "depthmap";
const STORE = "pictures";
const KEY = "depthmap.session";

interface Kept {
  id: string;
  session: string;
  name: string;
  file: Blob;
}

function sessionId(): string {
  const id = sessionStorage.getItem(KEY) ?? crypto.randomUUID?.() ?? String(Math.random());
  sessionStorage.setItem(KEY, id);
  return id;
}

function opened(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("no store"));
  });
}

async function within<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const database = await opened();
  return new Promise((resolve, reject) => {
    const request = act(database.transaction(STORE, mode).objectStore(STORE));
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("no store"));
  });
}

/** Do without where the browser keeps nothing, as some do in private windows. */
async function perhaps<T>(work: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await work;
  } catch {
    return otherwise;
  }
}

export async function keep(item: Item): Promise<void> {
  const kept: Kept = { id: item.id, session: sessionId(), name: item.picture.name, file: item.picture.file };
  await perhaps<unknown>(within("readwrite", (store) => store.put(kept)), undefined);
}

export async function forget(item: Item): Promise<void> {
  await perhaps<unknown>(within("readwrite", (store) => store.delete(item.id)), undefined);
}

/** Return the pictures of this session; those of others, which have ended, are removed. */
export async function restored(): Promise<Item[]> {
  const all = await perhaps(within<Kept[]>("readonly", (store) => store.getAll() as IDBRequest<Kept[]>), []);
  const items: Item[] = [];
  for (const kept of all) {
    if (kept.session !== sessionId()) {
      await perhaps<unknown>(within("readwrite", (store) => store.delete(kept.id)), undefined);
      continue;
    }
    const item = new Item(new Picture(kept.file, kept.name), kept.id);
    item.state = "kept";
    items.push(item);
  }
  return items;
}
