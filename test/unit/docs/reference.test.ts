import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { HUB_CACHES } from "../../../cli/service/hf-home.ts";
import { MAP_VARIABLE } from "../../../infra/config/service-variables.ts";
import { API_KEY_VARIABLE, HOST_CACHE_VARIABLE, MODEL_DIR_VARIABLE, TOKEN_VARIABLE } from "../../../infra/contract.ts";
import { leaves, nameOf, program } from "../../../scripts/reference/cli.ts";
import { CLI_ENVIRONMENT, SYSTEM_ENVIRONMENT } from "../../../scripts/reference/cli-environment.ts";
import { PASSED_ON, RESULTS } from "../../../scripts/reference/json-output.ts";
import { referencePages, sources } from "../../../scripts/reference/pages.ts";
import { paths } from "../../support/paths.ts";

const pages = referencePages(paths.root);

test.each(Object.entries(pages))("%s is what `npm run docs` writes", (file, text) => {
  expect(readFileSync(join(paths.root, file), "utf8")).toBe(text);
});

test("the JSON of every command is described", () => {
  const described = [...Object.keys(RESULTS), ...Object.keys(PASSED_ON)];
  expect(described.sort()).toEqual(leaves(program()).map(nameOf).sort());
});

test("every environment variable that imagegen reads is described, and no other", () => {
  const constants: Readonly<Record<string, string>> = {
    API_KEY_VARIABLE,
    HOST_CACHE_VARIABLE,
    MODEL_DIR_VARIABLE,
    MAP_VARIABLE,
    TOKEN_VARIABLE,
  };
  const read = Object.entries(sources(paths.root))
    .filter(([file]) => file.startsWith("cli/"))
    .flatMap(([, text]) => [...text.matchAll(/\benv(?:\.([A-Z][A-Z0-9_]+)|\[([A-Z_]+)\])/g)])
    .map(([, name, constant = ""]) => name ?? constants[constant] ?? constant)
    .concat(HUB_CACHES);
  const known = [...Object.keys(CLI_ENVIRONMENT), ...SYSTEM_ENVIRONMENT];
  expect([...new Set(read)].sort()).toEqual(known.sort());
});

test("every config key has a description and a default in the page", () => {
  const config = pages["docs/reference/config.md"] ?? "";
  const rows = config.split("\n").filter((line) => /^\| `\w+` \|/.test(line));
  expect(rows.length).toBeGreaterThan(50);
  for (const row of rows) expect(row).not.toMatch(/\| *\|$/);
});
