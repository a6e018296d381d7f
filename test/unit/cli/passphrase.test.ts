import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pathsOf } from "../../../cli/core/paths.ts";
import { ownPassphrase, requirePassphrase } from "../../../cli/stack/passphrase.ts";

const STATE = ".imagegen/state/.pulumi/stacks/Picture-Perfect-Challenge/local.json";
const COPY = ".imagegen/stacks/Pulumi.local.yaml";
const PROVIDER = { type: "passphrase", state: { salt: "v1:salt" } };
let root: string;
let lines: string[];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "imagegen-passphrase-"));
  lines = [];
});
afterEach(() => rmSync(root, { recursive: true }));
const write = (file: string, text: string) => {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), text);
};
const state = (resources: unknown[]) =>
  write(STATE, JSON.stringify({ version: 3, checkpoint: { latest: { secrets_providers: PROVIDER, resources } } }));
const own = (stack = "local") => ownPassphrase(pathsOf(root), stack, (line) => lines.push(line));

test("a passphrase is made once, for its owner alone", () => {
  const file = own();
  const made = readFileSync(file, "utf8");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(own(), "utf8")).toBe(made);
  expect(lines).toEqual([]);
});

describe("a lost passphrase", () => {
  test("is replaced, and that is said, where no secret is lost by it", () => {
    state([{ type: "docker:index/container:Container" }]);
    write(COPY, "encryptionsalt: v1:salt\nconfig:\n  a:b: c\n");
    own();
    expect(lines).toEqual(["The passphrase of .imagegen/state is gone. The state has no secret, and gets a new one."]);
    expect(JSON.parse(readFileSync(join(root, STATE), "utf8")).checkpoint.latest).toEqual({
      resources: [{ type: "docker:index/container:Container" }],
    });
    expect(readFileSync(join(root, COPY), "utf8")).toBe("config:\n  a:b: c\n");
  });

  test.each([
    ["state", () => state([{ x: { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270" } }])],
    ["working copy", () => write(COPY, "encryptionsalt: v1:s\nconfig:\n  a:hfToken:\n    secure: v1:x\n")],
    ["kept flags", () => write(".imagegen/stacks/local.overrides.json", '{"config": {"a": {"secure": "v1:x"}}}')],
  ])("is not, where a secret is in the %s", (_place, prepare) => {
    prepare();
    expect(own).toThrow(
      /no \.imagegen\/passphrase.*secrets of local.*unchanged\. Fix: put the file back, or export the variable/,
    );
    expect(existsSync(join(root, ".imagegen/passphrase"))).toBe(false);
  });

  test("of another stack's secret stops no other stack, and that one is left alone", () => {
    state([{ x: { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270" } }]);
    write(COPY, "encryptionsalt: v1:s\nconfig:\n  a:hfToken:\n    secure: v1:x\n");
    const before = [STATE, COPY].map((file) => readFileSync(join(root, file), "utf8"));
    own("second");
    expect([STATE, COPY].map((file) => readFileSync(join(root, file), "utf8"))).toEqual(before);
    expect(lines).toEqual([]);
  });
});

describe("a secret that the user's own passphrase encrypts, in the tracked file", () => {
  const FILE = "encryptionsalt: v1:users\nconfig:\n  a:apiKey:\n    secure: v1:x\n";
  beforeEach(() => {
    write("stacks/Pulumi.local.yaml", FILE);
    write(COPY, FILE);
  });

  test("is no lost file: the variable is what is missing", () => {
    expect(own).toThrow(
      /^The secrets in stacks\/Pulumi\.local\.yaml were encrypted with a passphrase that this shell does not have\..*Fix: export PULUMI_CONFIG_PASSPHRASE=…/,
    );
    expect(() => requirePassphrase(pathsOf(root), "local", {})).toThrow("this shell does not have");
    expect(() => requirePassphrase(pathsOf(root), "local", { PULUMI_CONFIG_PASSPHRASE: "x" })).not.toThrow();
  });

  test("stops no other stack, also when it is gone from the tracked file", () => {
    rmSync(join(root, "stacks/Pulumi.local.yaml"));
    expect(() => own("second")).not.toThrow();
    expect(readFileSync(join(root, COPY), "utf8")).toBe(FILE);
  });
});
