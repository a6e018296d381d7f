import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { program } from "../../../scripts/reference/cli.ts";
import { paths } from "../../support/paths.ts";

const read = (file: string) => readFileSync(join(paths.root, file), "utf8");
const { version } = JSON.parse(read("package.json")) as { version: string };

test.each([
  ["package-lock.json", /^\{\n.*\n {2}"version": "(.+)",$/m],
  ["plugin/schema.json", /^ {2}"version": "(.+)",$/m],
  ["docs/guides/library.md", /picture-perfect-challenge-(.+)\.tgz/],
  ["examples/existing-vpc/package.json", /picture-perfect-challenge-(.+)\.tgz/],
  ["policy/package.json", /"version": "(.+)"/],
  ["image-gen/pyproject.toml", /^version = "(.+)"$/m],
  // `/readyz`, `/metrics` and `/openapi.json` report this one.
  ["image-gen/src/image_gen/settings.py", /^VERSION: Final = "(.+)"$/m],
])("%s has the version of package.json", (file, pattern) => {
  expect(pattern.exec(read(file))?.[1]).toBe(version);
});

test("imagegen --version is the version of package.json", () => {
  expect(program().version()).toBe(version);
});
