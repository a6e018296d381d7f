/** The key that `imagegen picture` and a host's idle-stop send, of a variable that may have several. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { firstKey } from "../../../cli/service/api-key.ts";

const HASH = `sha256:${"0".repeat(64)}`;
const CASES = [
  ["one-key", "one-key"],
  ['{"alice":"a1","bob":"b1"}', "a1"],
  [`{"alice":"${HASH}","bob":{"key":"b1","concurrent":2}}`, "b1"],
] as const;

test.each(CASES)("of %s it is %s", (text, expected) => {
  expect(firstKey(text)).toBe(expected);
});

test("without a key, or with hashes alone, it is none", () => {
  expect(firstKey(undefined)).toBeUndefined();
  expect(firstKey(`{"alice":"${HASH}"}`)).toBeUndefined();
});

test("what is no JSON of keys is one line with its fix, or no key", () => {
  expect(() => firstKey('{"alice":')).toThrow("IMAGE_GEN_API_KEY starts with a brace, and is not the JSON");
  expect(firstKey('{"alice":null,"bob":{"limit":1},"carol":3}')).toBeUndefined();
});

const FILES: readonly (readonly [string, string])[] = [['{"default":"one-key"}', "one-key"], ...CASES.slice(1)];

test.each(FILES)("a host that looks for requests sends, of %s, the key %s", (text, expected) => {
  const folder = mkdtempSync(join(tmpdir(), "imagegen-idle-"));
  const script = (name: string, lines: string) => {
    writeFileSync(join(folder, name), `#!/bin/bash\n${lines}\n`);
    chmodSync(join(folder, name), 0o755);
  };
  mkdirSync(join(folder, "state/keys"), { recursive: true });
  writeFileSync(join(folder, "state/was-ready"), "");
  writeFileSync(join(folder, "state/keys/api-keys"), text);
  script("lib", `set -euo pipefail\nstate=${folder}/state service=http://service IMAGE_GEN_IDLE_STOP_MINUTES=30`);
  script("curl", `cat >${folder}/sent; echo image_gen_images_total 1`);
  script("idle-stop", readFileSync("infra/aws/host/files/bin/idle-stop", "utf8"));
  execFileSync(join(folder, "idle-stop"), { env: { ...process.env, PATH: `${folder}:${process.env.PATH}` } });
  expect(readFileSync(join(folder, "sent"), "utf8")).toBe(`Authorization: Bearer ${expected}\n`);
  rmSync(folder, { recursive: true });
});
