/** Packages of a requirements lock: what only a GPU's work needs, and a lock without them. */

/** 4.7 of the service's 4.8 GB, with what needs them. */
export const HEAVY = /^(?:torch|triton|nvidia-|cuda-|numpy)/;

/**
 * The lock without the packages whose names match and without those that need one of them, as `# via` says: pip installs no lock that lacks a package
 * which another one needs. Hashes and versions stay.
 */
export function without(lock: string, names: RegExp): string {
  const entries = lock.split(/^(?=[a-z0-9])/m);
  const removed = new Set<string>();
  const isRemoved = (entry: string) => names.test(entry) || removed.has(nameOf(entry));
  for (let before = -1; before < removed.size; ) {
    before = removed.size;
    for (const entry of entries.filter(isRemoved)) {
      for (const name of [nameOf(entry), ...neededBy(entry)]) removed.add(name);
    }
  }
  return entries.filter((entry) => !isRemoved(entry)).join("");
}

const nameOf = (entry: string) => entry.split("==")[0] ?? "";

/** The packages after `# via`; what a project names itself is no package. */
function neededBy(entry: string): string[] {
  const comments = entry.slice(entry.indexOf("# via")).split("\n");
  const names = comments.map((line) => line.trim().replace(/^#\s*(?:via)?\s*/, ""));
  return entry.includes("# via") ? names.filter((name) => /^[a-z0-9][\w.-]*$/.test(name)) : [];
}
