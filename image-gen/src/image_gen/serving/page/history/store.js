/**
 * Where pictures are kept: in the database, and those for which it has no room in the memory of this tab; all of them where the browser has no
 * database for the page. In: facts with an `id`, and blobs by their kind. Out: the same. What is removed is removed from both.
 */
import { openDatabase, resultOf, written } from "./database.js";

const memory = new Map();
let database = null;

/** Opens the database. `onLost` is called with why there is none, or none any more: `blocked` by the browser, or `newer` than this page. */
export async function openStore(onLost) {
  const lose = (reason) => {
    database = null;
    onLost(reason);
  };
  try {
    database = await openDatabase();
  } catch (error) {
    lose(error.name === "VersionError" ? "newer" : "blocked");
    return;
  }
  // Another tab has a page with a newer version of the database, which waits for this one.
  database.onversionchange = () => {
    database?.close();
    lose("newer");
  };
  database.onclose = () => lose("blocked");
}

export const hasDatabase = () => database !== null;

const storesOf = (mode) => {
  const transaction = database.transaction(["pictures", "files"], mode);
  return { transaction, pictures: transaction.objectStore("pictures"), files: transaction.objectStore("files") };
};

async function change(work) {
  if (database === null) return;
  const { transaction, pictures, files } = storesOf("readwrite");
  work(pictures, files);
  await written(transaction);
}

export const all = async () => (database ? resultOf(storesOf("readonly").pictures.getAll()) : []);

export const factsIn = async (id) => (database ? resultOf(storesOf("readonly").pictures.get(id)) : undefined);

/** A blob; null where there is none. */
export async function file(id, kind) {
  const here = memory.get(id);
  if (here || database === null) return here?.[kind] ?? null;
  return (await resultOf(storesOf("readonly").files.get([id, kind])))?.blob ?? null;
}

/** Rejects with a `QuotaExceededError` where the database has no room. */
export const keep = (facts, files) =>
  change((pictures, blobs) => {
    pictures.put(facts);
    for (const [kind, blob] of Object.entries(files)) if (blob) blobs.put({ id: facts.id, kind, blob });
  });

export const keepInMemory = ({ id }, files) => void memory.set(id, files);

export function removeFiles(id) {
  memory.delete(id);
  return change((pictures, files) => {
    pictures.delete(id);
    // An array is after every text: all kinds.
    files.delete(IDBKeyRange.bound([id], [id, []]));
  });
}

export function clear() {
  memory.clear();
  return change((pictures, files) => {
    pictures.clear();
    files.clear();
  });
}
