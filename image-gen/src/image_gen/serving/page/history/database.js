/**
 * The database of the history, in IndexedDB: its versions, and how it is opened. `pictures` has what is known of each picture, `files` its
 * blobs by `[id, kind]`; a kind is `picture`, `thumbnail`, `image` or `mask` (what it began with).
 */
const NAME = "image-gen-history";

/** What each version adds to the one before it. A person's browser may have any of them: append, and never change one. */
export const UPGRADES = [
  (database) => {
    database.createObjectStore("pictures", { keyPath: "id" });
    database.createObjectStore("files", { keyPath: ["id", "kind"] });
  },
];

/** The database in its newest version. Rejects where the browser keeps none, or a newer page's is there. */
export function openDatabase(upgrades = UPGRADES) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, upgrades.length);
    request.onupgradeneeded = ({ oldVersion }) => {
      for (const upgrade of upgrades.slice(oldVersion)) upgrade(request.result, request.transaction);
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

export const resultOf = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** When all of a transaction is written. */
export const written = (transaction) =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
