import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import type { Command } from "commander";
import { describe, expect, test } from "vitest";
import { ALL_KEYS } from "../../../infra/config/schema.ts";
import { SERVICE_VARIABLES } from "../../../infra/config/service-variables.ts";
import { program } from "../../../scripts/reference/cli.ts";
import { SERVICE_FACTS } from "../../../scripts/reference/pages.ts";
import type { ServiceFacts } from "../../../scripts/reference/service.ts";
import { paths } from "../../support/paths.ts";

const read = (file: string) => readFileSync(join(paths.root, file), "utf8");
const service = JSON.parse(read(SERVICE_FACTS)) as ServiceFacts;
const scripts = (JSON.parse(read("package.json")) as { scripts: Record<string, string> }).scripts;
const root = program();

const docs = readdirSync(join(paths.root, "docs"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".md"))
  .map((name) => `docs/${name}`);
const others = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "STYLE.md"];
/** The changelog names what was removed, too. */
const files = [...docs, ...others].sort();

const FOLDERS = /^(aws-fake|bench|cli|docs|image-gen|infra|policy|scripts|stacks|test|\.github|\.ci)\/./;
/** A file in an archive, and one that the reader makes. */
const NO_FILES = ["image-gen/backup.json", "image-gen/models/stabilityai--sdxl-turbo.json"];

describe.each(files)("%s", (file) => {
  const text = read(file);
  const code = codeOf(text);

  test("links only to files and headings that exist", () => {
    for (const target of linksOf(text)) {
      const [path = "", anchor] = target.split("#");
      const place = path === "" ? file : normalize(join(dirname(file), path));
      expect(existsSync(join(paths.root, place)), `${target} in ${file}`).toBe(true);
      if (anchor && place.endsWith(".md")) expect(anchorsOf(read(place)), `${target} in ${file}`).toContain(anchor);
    }
  });

  test("names only commands and options of imagegen that exist", () => {
    for (const words of invocationsOf(code, "imagegen")) expect(unknownIn(words), words.join(" ")).toEqual([]);
  });

  test("names only commands of image-gen that exist", () => {
    const names = service.commands.map(({ name }) => name);
    for (const words of invocationsOf(code, "image-gen").filter(([first = ""]) => /^[a-z]/.test(first))) {
      const known = names.some((name) => words.join(" ").startsWith(name) || name.startsWith(`${words[0]} `));
      expect(known, `image-gen ${words.join(" ")}`).toBe(true);
    }
  });

  test("names only npm scripts that exist", () => {
    for (const [, run, name = ""] of code.matchAll(/\bnpm (run )?(?:--\S+ )?([\w:-]+)/g))
      expect(run ? Object.keys(scripts) : ["test", "start", "ci", "i", "version", "pack", "install"], name).toContain(
        name,
      );
  });

  test("names only files of the repository that exist", () => {
    const words = code.split(/[\s"'(),;]+/).map((word) => word.replace(/[.:]$/, ""));
    const named = words.filter((word) => FOLDERS.test(word) && !/[<>*…{}$]/.test(word) && !NO_FILES.includes(word));
    for (const path of named) expect(existsSync(join(paths.root, path)), `${path} in ${file}`).toBe(true);
  });

  test("names only config keys and environment variables that exist", () => {
    for (const [, key = ""] of code.matchAll(/--config ([\w:]+)=/g))
      if (key !== "key") expect(["aws:region", ...Object.keys(ALL_KEYS)]).toContain(key);
    const files = readdirSync(".").filter((file) => /^compose.*\.yaml$/.test(file));
    const compose = [
      ...files
        .map(read)
        .join("")
        .matchAll(/\$\{([A-Z_]+)/g),
    ].map(([, name = ""]) => name);
    const fleet = service.fleet_environment.map(({ name }) => name);
    const variables = [...SERVICE_VARIABLES.map(({ name }) => name), ...fleet, ...compose];
    for (const [name] of code.matchAll(/\bIMAGE_GEN_[A-Z_]+\b/g)) expect(variables).toContain(name);
  });
});

test("every page is reachable from docs/index.md", () => {
  const seen = new Set<string>();
  const queue = ["docs/index.md"];
  for (let file = queue.pop(); file; file = queue.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    const here = dirname(file);
    const targets = linksOf(read(file)).map((target) => normalize(join(here, target.split("#")[0] ?? "")));
    queue.push(...targets.filter((target) => target.startsWith("docs/") && target.endsWith(".md")));
  }
  expect([...seen].sort()).toEqual(docs.sort());
});

/** The text of code blocks and code spans. */
function codeOf(text: string): string {
  const blocks = [...text.matchAll(/^```.*\n([\s\S]*?)^```/gm)].map(([, body = ""]) => body);
  const spans = text.replace(/^```[\s\S]*?^```/gm, "").matchAll(/`([^`\n]+)`/g);
  return [...blocks, ...[...spans].map(([, body = ""]) => body)].join("\n");
}

function linksOf(text: string): string[] {
  const prose = text.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]+`/g, "code");
  const targets = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
  return targets.filter((target) => !/^[a-z]+:/.test(target));
}

/** GitHub's anchors of the headings. */
function anchorsOf(text: string): string[] {
  return [...text.replace(/^```[\s\S]*?^```/gm, "").matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replaceAll(" ", "-"),
  );
}

/**
 * The words after `name` where a line, or a command after `npm run`, `npx`, `&&` or a container's name, begins with it; up to a
 * comment, a quote, a pipe or a second command.
 */
function invocationsOf(code: string, name: string): string[][] {
  const calls = new RegExp(`(?:^|\\$ |&& |npx |npm run |image-game-image-gen )${name}(?: --)? +([^\\n#|>&;'"]+)`, "gm");
  return [...code.matchAll(calls)].map(([, words = ""]) => words.trim().split(/\s+/));
}

/** Words of a call that are neither a command nor an option of it. */
function unknownIn(words: readonly string[]): string[] {
  const rest = [...words];
  let command: Command = root;
  while (command.commands.length > 0 && /^[a-z]/.test(rest[0] ?? "")) {
    const next = command.commands.find((each) => each.name() === rest[0]);
    if (!next) return [rest[0] ?? ""];
    command = next;
    rest.shift();
  }
  const flags = [...root.options, ...command.options].flatMap(({ long, short }) => [long, short]);
  const used = rest.filter((word) => /^--?[a-z]/.test(word)).map((word) => word.replace(/[=,.:)].*/, ""));
  return used.filter((word) => ![...flags, "--help", "-h"].includes(word));
}
