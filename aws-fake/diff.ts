import { isDeepStrictEqual } from "node:util";
import type { Props } from "./kind.ts";

/** Paths of the inputs that differ: `rootBlockDevice.volumeSize`, `ingress[0].fromPort`, `tags["a:b"]`. */
export function changedPaths(olds: Props, news: Props, state: Props): string[] {
  const keys = new Set([...Object.keys(olds), ...Object.keys(news)].filter((key) => !key.startsWith("__")));
  return [...keys].flatMap((key) => {
    // An input that is now written out, with the value that it has anyway, is no change.
    const old = olds[key] === undefined ? state[key] : olds[key];
    return pathsBelow(key, old, news[key]);
  });
}

/** The path without indices and quotes, to compare with a schema's. */
export function schemaPath(path: string): string {
  return path.replaceAll(/\[(\d+|".*?")\]/g, "");
}

function pathsBelow(path: string, left: unknown, right: unknown): string[] {
  if (isDeepStrictEqual(left, right)) return [];
  if (isPlain(left) && isPlain(right)) {
    const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
    return [...keys].flatMap((key) => pathsBelow(`${path}${step(key)}`, left[key], right[key]));
  }
  if (Array.isArray(left) && Array.isArray(right)) return pathsOfList(path, left, right);
  return [path];
}

function pathsOfList(path: string, left: readonly unknown[], right: readonly unknown[]): string[] {
  // The provider's lists of names are sets: their order means nothing.
  if (isDeepStrictEqual(sorted(left), sorted(right))) return [];
  const length = Math.max(left.length, right.length);
  return Array.from({ length }, (_, index) => index).flatMap((index) =>
    pathsBelow(`${path}[${index}]`, left[index], right[index]),
  );
}

const sorted = (list: readonly unknown[]) => list.map((one) => JSON.stringify(one)).sort();
const isPlain = (value: unknown): value is Props =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const step = (key: string) => (/^\w+$/.test(key) ? `.${key}` : `["${key}"]`);
