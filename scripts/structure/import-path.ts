/**
 * `npm run import-path`: the files between two ends of the program, derived from imports. An end is found by what its code does, not
 * by its name, and the way is the shortest chain of imports from the entry to each end, taken together.
 */
import { dirname, join, normalize } from "node:path/posix";
import { codeLines, languageOf, readTree, type SourceFile } from "./source.ts";

interface Way {
  readonly title: string;
  readonly folders: readonly string[];
  /** From one place to another, each by a line that its code has; the first place is where the way begins. */
  readonly legs: readonly (readonly [from: RegExp, to: RegExp])[];
}

/** At most so many files each. */
export const MOST = 8;

const PROGRAM = /^export default /;
const DOCKER_PROGRAM = /^\s*: new DockerHost\(/;
const CONFIG = /runtime\.allConfig\(\)/;
const PARSER = /^export function parseSettings\b/;
const MODEL_CACHE = /^class ModelCache\b/;
const ENSURE = /^class Ensure\b/;
const DOWNLOADER = /^class Downloader\b/;

export const WAYS: readonly Way[] = [
  {
    title: "`modelId`, from a stack's config to the container",
    folders: ["infra"],
    legs: [
      [PROGRAM, CONFIG],
      [CONFIG, PARSER],
      [PARSER, /^\s*modelId: text\(/],
      [PROGRAM, DOCKER_PROGRAM],
      [DOCKER_PROGRAM, /\[MODEL_VARIABLES\[/],
      [DOCKER_PROGRAM, /new docker\.Container\(/],
    ],
  },
  {
    title: 'a model, from "ensure this model" to the blob on disk',
    folders: ["image-gen/src"],
    legs: [
      [MODEL_CACHE, ENSURE],
      [ENSURE, DOWNLOADER],
      [MODEL_CACHE, /\.stream\("GET"/],
      [DOWNLOADER, /^def link_snapshot\b/],
    ],
  },
];

/** The files on the way, in order. Throws when a place is not found, so that a renamed one is noticed. */
export function filesOnTheWay(
  { title, folders, legs }: Way,
  files: readonly SourceFile[] = readTree(folders),
): string[] {
  const code = codeLines(files);
  const holding = (pattern: RegExp) =>
    [...code].filter(([, lines]) => lines.some((line) => pattern.test(line))).map(([path]) => path);
  const way = legs.flatMap(([from, to]) => {
    const chain = shortestChain(holding(from), holding(to), code);
    if (chain) return chain;
    throw new Error(`${title}: no import leads from ${from} to ${to}. Fix: WAYS in scripts/structure/import-path.ts`);
  });
  return [...new Set(way)];
}

function shortestChain(starts: readonly string[], ends: readonly string[], code: Code): string[] | undefined {
  const before = new Map<string, string | undefined>(starts.map((start) => [start, undefined]));
  for (const path of before.keys()) {
    if (ends.includes(path)) {
      const chain: string[] = [];
      for (let at: string | undefined = path; at; at = before.get(at)) chain.unshift(at);
      return chain;
    }
    for (const next of importsOf(path, code)) if (!before.has(next)) before.set(next, path);
  }
  return undefined;
}

type Code = ReadonlyMap<string, readonly string[]>;

function importsOf(path: string, code: Code): string[] {
  const text = (code.get(path) ?? []).join("\n");
  const found = languageOf({ path, text }) === "python" ? pythonImports(path, text) : typeScriptImports(path, text);
  return found.filter((file) => code.has(file));
}

function typeScriptImports(path: string, text: string): string[] {
  const names = text.matchAll(
    /^(?:import (?!type)[^;]*?from|export [^;]*? from|import)\s*\(?"(\.[^"]+)"|import\("(\.[^"]+)"\)/gm,
  );
  return [...names].map(([, first, second]) => normalize(join(dirname(path), first ?? second ?? "")));
}

function pythonImports(path: string, text: string): string[] {
  const source = "image-gen/src/";
  const home = dirname(path).slice(source.length).split("/");
  const found: string[] = [];
  const statements = text.matchAll(/^\s*from (\.*)([\w.]*) import (?:\(([^)]*)\)|(.*))/gm);
  for (const [, dots = "", module = "", several, one] of statements) {
    const base = dots ? home.slice(0, home.length - dots.length + 1) : [];
    const parts = [...base, ...module.split(".").filter(Boolean)].join("/");
    found.push(`${source}${parts}.py`);
    for (const name of (several ?? one ?? "").split(/[\s,]+/).filter(Boolean))
      found.push(`${source}${parts}/${name}.py`);
  }
  return found;
}

/** The ways as Markdown, as CONTRIBUTING.md has them. */
export function describeWays(): string {
  return WAYS.map((way) => {
    const files = filesOnTheWay(way);
    return [`${files.length} files on the way of ${way.title}:`, "", ...files.map((file) => `- \`${file}\``)].join(
      "\n",
    );
  }).join("\n\n");
}

if (import.meta.main) console.log(describeWays());
