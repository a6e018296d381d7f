/** Packages of a requirements lock: what only a GPU's work needs, and a lock without them. */

/** 4.7 of the service's 4.8 GB. */
export const HEAVY = /^(?:torch|triton|nvidia-|cuda-|numpy|accelerate|diffusers|transformers)/;

/** The lock without the packages whose names match; hashes and versions stay. */
export function without(lock: string, names: RegExp): string {
  const entries = lock.split(/^(?=[a-z0-9])/m);
  return entries.filter((entry) => !names.test(entry)).join("");
}
