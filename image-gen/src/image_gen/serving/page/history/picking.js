/** The choice of two pictures to compare. In: the first one, or none yet, then those that are picked. Out: the comparison. */
import { compare } from "./comparison.js";

const listeners = new Set();
/** The pictures that are picked; null while nobody compares. */
let picked = null;

/** `listener(picked)` after each change. */
export const onPicking = (listener) => listeners.add(listener);

export const isPicking = () => picked !== null;

function change(to) {
  picked = to;
  for (const listener of listeners) listener(picked);
}

/** Begins, with one that is picked already, or with none. */
export const startPicking = (first = null) => change(first ? [first] : []);

export const stopPicking = () => change(null);

/** Picks one, or takes it back. The second one ends the choice. */
export function pick(facts) {
  if (picked.some(({ id }) => id === facts.id)) return change(picked.filter(({ id }) => id !== facts.id));
  if (picked.length === 0) return change([facts]);
  const [first] = picked;
  stopPicking();
  return compare(first, facts);
}
