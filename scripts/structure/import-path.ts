/**
 * `npm run import-path`: the files between two ends of the program, derived from imports. An end is found by what its code does, not
 * by its name, and the way is the shortest chain of imports from the entry to each end, taken together.
 */
import { dirname, join, normalize } from "node:path/posix";
import { codeLines, languageOf, readTree, type SourceFile } from "./source.ts";

interface Way {
  readonly title: string;
  readonly folders: readonly string[];
  /** The entry's own code contains this. */
  readonly entry: RegExp;
  /** What has to be reached; each pattern is in the code of at least one file. */
  readonly ends: readonly RegExp[];
}

/** At most so many files each. */
export const MOST = 8;

export const WAYS: readonly Way[] = [
  {
    title: "`modelId`, from a stack's config to the container",
    folders: ["infra"],
    entry: /^export default .*settings\.target|export default await/,
    ends: [/runtime\.allConfig\(\)/, /^\s*modelId: \{|modelId: text\(/, /MODEL_ID: /, /new docker\.Container\(/],
  },
  {
    title: "a model, from \"ensure this model\" to the blob on disk",
    folders: ["image-gen/src"],
    entry: /^class ModelCache\b/,
    ends: [/^class Download/, /\.stream\("GET"|\.get\(.*headers/, /^def commit_blob\b/],
  },
];

/** The files on the way, the entry first. Throws when an end is not found, so that a renamed one is noticed. */
export function filesOnTheWay({ title, folders, entry, ends }: Way, files: readonly SourceFile[] = readTree(folders)): string[] {
  const code = codeLines(files);
  const holding = (pattern: RegExp) => [...code].filter(([, lines]) => lines.some((line) => pattern.test(line)));
  const start = holding(entry)[0]?.[0];
  if (!start) throw new Error(`${title}: no file matches ${entry}. Fix: WAYS in scripts/structure/import-path.ts`);
  const before = new Map<string, string | undefined>([[start, undefined]]);
  for (const path of before.keys())
    for (const next of importsOf(path, code)) if (!before.has(next)) before.set(next, path);
  const way = new Set<string>([start]);
  for (const end of ends) {
    const reached = [...before.keys()].find((path) => holding(end).some(([found]) => found === path));
    if (!reached) throw new Error(`${title}: nothing imported from ${start} matches ${end}. Fix: WAYS in scripts/structure/import-path.ts`);
    const chain: string[] = [];
    for (let at: string | undefined = reached; at; at = before.get(at)) chain.unshift(at);
    for (const path of chain) way.add(path);
  }
  return [...way];
}

function importsOf(path: string, code: ReadonlyMap<string, readonly string[]>): string[] {
  const text = (code.get(path) ?? []).join("\n");
  const found = languageOf({ path, text }) === "python" ? pythonImports(path, text) : typeScriptImports(path, text);
  return found.filter((file) => code.has(file));
}

function typeScriptImports(path: string, text: string): string[] {
  const names = text.matchAll(/^(?:import (?!type)[^;]*?from|export [^;]*? from|import)\s*\(?"(\.[^"]+)"|import\("(\.[^"]+)"\)/gm);
  return [...names].map(([, first, second]) => normalize(join(dirname(path), first ?? second ?? "")));
}

function pythonImports(path: string, text: string): string[] {
  const source = "image-gen/src/";
  const home = dirname(path).slice(source.length).split("/");
  const found: string[] = [];
  for (const [, dots = "", module = "", names = ""] of text.matchAll(/^\s*from (\.*)([\w.]*) import \(?([\w\s,]+)/gm)) {
    const base = dots ? home.slice(0, home.length - dots.length + 1) : [];
    const parts = [...base, ...module.split(".").filter(Boolean)].join("/");
    found.push(`${source}${parts}.py`);
    for (const name of names.split(/[\s,]+/).filter(Boolean)) found.push(`${source}${parts}/${name}.py`);
  }
  return found;
}

if (import.meta.main) {
  for (const way of WAYS) {
    const files = filesOnTheWay(way);
    console.log(`${way.title}: ${files.length} files (at most ${MOST})\n${files.map((file) => `  ${file}`).join("\n")}`);
  }
}
