import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { hashBuildContext, imageContent } from "../../../infra/io/build-context.ts";
import { planWith } from "../../support/settings.ts";

const contextEntries = ["Dockerfile", "src", "models"];
let context: string;
const write = (path: string, text: string) => {
  mkdirSync(dirname(join(context, path)), { recursive: true });
  writeFileSync(join(context, path), text);
};
const hash = () => hashBuildContext({ context, contextEntries });

beforeEach(() => {
  context = mkdtempSync(join(tmpdir(), "imagegen-context-"));
  write("Dockerfile", "FROM x");
  write("src/app/main.py", "print(1)");
  write("models/a.json", "{}");
});

afterEach(() => rmSync(context, { recursive: true }));

test.each([
  ["a content", () => write("src/app/main.py", "print(2)")],
  ["a new file", () => write("src/app/new.py", "")],
  ["a lost file", () => rmSync(join(context, "models/a.json"))],
  ["a file's mode", () => chmodSync(join(context, "src/app/main.py"), 0o755)],
  ["a link's target", () => symlinkSync("main.py", join(context, "src/app/link.py"))],
  [
    "a name",
    () => {
      rmSync(join(context, "models/a.json"));
      write("models/b.json", "{}");
    },
  ],
])("%s changes the hash", (_, change) => {
  const before = hash();
  change();
  expect(hash()).not.toBe(before);
});

test.each([
  ["tests", () => write("tests/test_app.py", "")],
  ["a virtual environment", () => write(".venv/bin/python", "")],
  ["byte code", () => write("src/app/__pycache__/main.cpython-312.pyc", "x")],
  ["lone byte code", () => write("src/app/main.pyc", "x")],
  ["caches", () => write(".pytest_cache/README.md", "")],
  ["times", () => utimesSync(join(context, "Dockerfile"), 1, 1)],
])("%s does not", (_, change) => {
  const before = hash();
  change();
  expect(hash()).toBe(before);
});

test("the same files elsewhere have the same hash", () => {
  const before = hash();
  const copy = `${context}-copy`;
  cpSync(context, copy, { recursive: true });
  expect(hashBuildContext({ context: copy, contextEntries: [...contextEntries].reverse() })).toBe(before);
  rmSync(copy, { recursive: true });
});

test("content that moves from one file to the next is not the same", () => {
  write("src/a", "xy");
  write("src/b", "z");
  const before = hash();
  write("src/a", "x");
  write("src/b", "yz");
  expect(hash()).not.toBe(before);
});

test("the content covers the arguments too, and no secret", () => {
  const content = (changes = {}, hashed = "h") => imageContent(planWith(changes).image, hashed);
  expect(content()).toBe(content({ modelId: "demo", hasToken: true }));
  expect(content()).not.toBe(content({}, "other"));
  expect(content()).not.toBe(content({ baseImage: "python:3.13" }));
  expect(content({ modelCache: "baked" })).not.toBe(content({ modelCache: "baked", modelId: "demo" }));
  expect(content({ modelCache: "baked" })).toBe(content({ modelCache: "baked", hasToken: true }));
});
