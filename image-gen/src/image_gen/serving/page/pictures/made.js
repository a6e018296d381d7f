/**
 * Pictures that were made, for whoever shows or keeps them. One is
 * `{ id, blob, settings, seed, size, format, steps, seconds, madeAt, notes, truncated, image, mask }`: `settings` are the fields of
 * a request that makes the same picture again (with its seed, without `n`), `image` and `mask` the blobs that it
 * began with, or null.
 */
const listeners = new Set();

/** `listener(picture)` for each picture from now on. */
export const onPicture = (listener) => listeners.add(listener);

export function announce(picture) {
  for (const listener of listeners) listener(picture);
}

/** A name that no other picture has; `crypto.randomUUID` is only there over https. */
export const newId = () =>
  [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
