/**
 * What the structure checks read. In: a tree of this project, the checkout or a revision of it. Out: its files, and of each the code
 * without comments and docstrings. Changes nothing.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");
/** The folders whose code is shipped. */
export const PRODUCT = ["cli", "infra", "image-gen/src"] as const;

export interface SourceFile {
  /** Relative to the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

function git(args: readonly string[]): string {
  const result = spawnSync("git", args, { cwd: ROOT, encoding: "utf8", maxBuffer: 256 * 1024 * 1024 });
  if (result.status !== 0) throw new Error(`git ${args[0]} failed: ${result.stderr}`);
  return result.stdout;
}

/** The text files below `folders`: of the checkout (tracked, or new and not ignored), or of a revision. */
export function readTree(folders: readonly string[], revision?: string): SourceFile[] {
  const listed = revision
    ? git(["ls-tree", "-r", "--name-only", "-z", revision, "--", ...folders])
    : git(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ...folders]);
  const paths = [...new Set(listed.split("\0").filter((path) => path !== ""))].sort();
  const read = (path: string) => {
    try {
      return revision ? git(["show", `${revision}:${path}`]) : readFileSync(join(ROOT, path), "utf8");
    } catch {
      return "\0"; // Deleted in the checkout, or a submodule.
    }
  };
  return paths.map((path) => ({ path, text: read(path) })).filter(({ text }) => !text.includes("\0"));
}

/** The language that decides what is a comment; undefined for prose and data. */
export function languageOf({ path, text }: SourceFile): "typescript" | "python" | "shell" | "html" | undefined {
  if (/\.(ts|mts|mjs|cjs|js)$/.test(path)) return "typescript";
  if (path.endsWith(".py")) return "python";
  if (/\.(html|css)$/.test(path)) return "html";
  if (/\.(sh|service|timer|mount|path)$/.test(path) || /^#!.*sh\b/.test(text)) return "shell";
  return text.startsWith("#!") && text.split("\n", 1)[0]?.includes("python") ? "python" : undefined;
}

/** Each file's code lines: no comments, no docstrings, no blank lines. Files that hold no code are left out. */
export function codeLines(files: readonly SourceFile[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const python = files.filter((file) => languageOf(file) === "python");
  for (const [path, text] of stripPython(python)) found.set(path, nonBlank(text));
  for (const file of files) {
    const language = languageOf(file);
    if (language === "typescript") found.set(file.path, nonBlank(stripTypeScript(file.text)));
    if (language === "html") found.set(file.path, nonBlank(file.text.replaceAll(/<!--[\s\S]*?-->/g, "")));
    if (language === "shell")
      found.set(
        file.path,
        nonBlank(file.text).filter((line) => !line.trim().startsWith("#")),
      );
  }
  return found;
}

function nonBlank(text: string): string[] {
  return text.split("\n").filter((line) => line.trim() !== "");
}

function stripPython(files: readonly SourceFile[]): [string, string][] {
  if (files.length === 0) return [];
  const script = join(import.meta.dirname, "strip_python.py");
  const input = JSON.stringify(files.map(({ path, text }) => [path, text]));
  const result = spawnSync("python3", [script], { input, encoding: "utf8", maxBuffer: 256 * 1024 * 1024 });
  if (result.status !== 0) throw new Error(`${script} failed: ${result.error?.message ?? result.stderr}`);
  return JSON.parse(result.stdout) as [string, string][];
}

/** TypeScript without comments; strings, templates and regular expressions stay as they are. */
function stripTypeScript(text: string): string {
  let out = "";
  let at = 0;
  const copyTo = (end: number) => {
    out += text.slice(at, end);
    at = end;
  };
  while (at < text.length) {
    const two = text.slice(at, at + 2);
    const one = text[at] ?? "";
    if (two === "//") at = endOf(text, "\n", at);
    else if (two === "/*") {
      const end = endOf(text, "*/", at + 2) + 2;
      out += "\n".repeat(text.slice(at, end).split("\n").length - 1);
      at = end;
    } else if (one === '"' || one === "'") copyTo(endOfQuoted(text, at, one));
    else if (one === "`") copyTo(endOfTemplate(text, at));
    else if (one === "/" && startsRegex(out)) copyTo(endOfRegex(text, at));
    else copyTo(at + 1);
  }
  return out;
}

function endOf(text: string, mark: string, from: number): number {
  const end = text.indexOf(mark, from);
  return end === -1 ? text.length : end;
}

function endOfQuoted(text: string, start: number, quote: string): number {
  let at = start + 1;
  while (at < text.length && text[at] !== quote) at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}

function endOfTemplate(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== "`") {
    if (text.startsWith("${", at)) at = endOfBraces(text, at + 2);
    else at += text[at] === "\\" ? 2 : 1;
  }
  return at + 1;
}

function endOfBraces(text: string, start: number): number {
  let at = start;
  for (let depth = 1; at < text.length && depth > 0; ) {
    const one = text[at] ?? "";
    if (one === '"' || one === "'") at = endOfQuoted(text, at, one);
    else if (one === "`") at = endOfTemplate(text, at);
    else {
      depth += one === "{" ? 1 : one === "}" ? -1 : 0;
      at += 1;
    }
  }
  return at;
}

function endOfRegex(text: string, start: number): number {
  let at = start + 1;
  for (let inClass = false; at < text.length && text[at] !== "\n"; at += 1) {
    const one = text[at];
    if (one === "\\") at += 1;
    else if (one === "[") inClass = true;
    else if (one === "]") inClass = false;
    else if (one === "/" && !inClass) return at + 1;
  }
  return at;
}

/** Whether a slash after this code begins a regular expression rather than dividing. */
function startsRegex(before: string): boolean {
  const code = before.trimEnd();
  return code === "" || /[(,=:[!&|?{};~+\-*%<>^]$/.test(code) || /\b(return|typeof|case|of|in)$/.test(code);
}
