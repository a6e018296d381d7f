import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { CliError } from "../../../cli/core/exit.ts";
import { pathsOf } from "../../../cli/core/paths.ts";
import { composeStack, parseConfigFlags, settingsOf, urlOf } from "../../../cli/stack/config.ts";
import { StackFiles } from "../../../cli/stack/files.ts";

const MODEL = "Picture-Perfect-Challenge:modelId";
const PORT = "Picture-Perfect-Challenge:port";
const TOKEN = "Picture-Perfect-Challenge:hfToken";
const none = { tracked: {}, kept: { config: {} }, chosen: {}, previous: {} };

describe("the config that Pulumi gets", () => {
  test("the run's choice gives way to the tracked file, and that to what was kept", () => {
    const chosen = { [MODEL]: "demo" };
    expect(composeStack({ ...none, chosen }).config).toEqual({ [MODEL]: "demo" });
    const tracked = { config: { [MODEL]: "a/b", [PORT]: 8000 } };
    expect(composeStack({ ...none, chosen, tracked }).config).toEqual({ [MODEL]: "a/b", [PORT]: 8000 });
    const kept = { config: { [PORT]: "8001" } };
    expect(composeStack({ ...none, chosen, tracked, kept }).config).toEqual({ [MODEL]: "a/b", [PORT]: "8001" });
  });

  test("the salt of the last copy is kept, its config is not", () => {
    const previous = { encryptionsalt: "v1:salt", config: { [PORT]: "9999" } };
    expect(composeStack({ ...none, previous })).toEqual({ encryptionsalt: "v1:salt", config: {} });
  });

  test("the tracked file's own salt wins, and a secret made with another is dropped", () => {
    const kept = { config: { [TOKEN]: { secure: "v1:x" } }, salt: "v1:old" };
    const parts = { ...none, kept, previous: { encryptionsalt: "v1:old" } };
    expect(composeStack(parts).config).toEqual({ [TOKEN]: { secure: "v1:x" } });
    expect(composeStack({ ...parts, tracked: { encryptionsalt: "v1:new" } })).toEqual({
      encryptionsalt: "v1:new",
      config: {},
    });
  });
});

describe("--config", () => {
  test("adds the project's namespace, and takes what follows the first = as it is", () => {
    expect(parseConfigFlags(["port=8001", "docker:host=a=b"])).toEqual({ [PORT]: "8001", "docker:host": "a=b" });
  });
  test("a secret does not belong on a command line", () => {
    expect(() => parseConfigFlags(["hfToken=hf_x"])).toThrow(/secret.*HF_TOKEN/);
  });
  test.each(["port", "=8001"])("%s is no key=value", (flag) => {
    expect(() => parseConfigFlags([flag])).toThrow("expected key=value");
  });
});

describe("settings", () => {
  test("every mistake is reported, each with a command of ours that mends it", () => {
    const read = () => settingsOf({ [PORT]: "0", "Picture-Perfect-Challenge:modelCach": "baked" });
    expect(read).toThrow(CliError);
    expect(read).toThrow(/modelCach.*modelCache.*--reset-config/);
    expect(read).toThrow(/port: expected.*Fix: imagegen up --config port=8000/);
  });
  test("other namespaces and secrets are not ours to check", () => {
    const settings = settingsOf({ "docker:host": "x", [TOKEN]: { secure: "v1:x" } });
    expect(settings.port).toBe(8000);
  });
  test.each([
    ["127.0.0.1", "http://127.0.0.1:8000"],
    ["0.0.0.0", "http://127.0.0.1:8000"],
    ["::1", "http://[::1]:8000"],
    ["192.168.1.4", "http://192.168.1.4:8000"],
  ])("bound to %s, a client asks %s", (bindAddress, url) => {
    expect(urlOf({ bindAddress, port: 8000 })).toBe(url);
  });
});

describe("files", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "imagegen-stack-"));
    mkdirSync(join(root, "stacks"));
    writeFileSync(join(root, "stacks/Pulumi.local.yaml"), `config:\n  ${PORT}: "8000"\n`);
  });
  afterEach(() => rmSync(root, { recursive: true }));

  test("values are kept from one run to the next, until they are forgotten", () => {
    new StackFiles(pathsOf(root), "local").keep({ [PORT]: "8005" });
    const again = new StackFiles(pathsOf(root), "local");
    again.keep({ [MODEL]: "a/b" });
    expect(again.config()).toEqual({ [PORT]: "8005", [MODEL]: "a/b" });
    again.forget();
    expect(again.config()).toEqual({ [PORT]: "8000" });
  });

  test("the tracked file is never written", () => {
    const tracked = join(root, "stacks/Pulumi.local.yaml");
    const before = readFileSync(tracked, "utf8");
    const files = new StackFiles(pathsOf(root), "local");
    files.keep({ [PORT]: "8005" });
    files.write({ [MODEL]: "demo" });
    expect(readFileSync(tracked, "utf8")).toBe(before);
    expect(parse(readFileSync(files.copy, "utf8"))).toEqual({ config: { [PORT]: "8005", [MODEL]: "demo" } });
  });

  test("status and logs see the config of the last start", () => {
    const files = new StackFiles(pathsOf(root), "local");
    expect(files.lastConfig()).toEqual({ [PORT]: "8000" });
    files.write({ [MODEL]: "demo" });
    expect(files.lastConfig()).toEqual({ [PORT]: "8000", [MODEL]: "demo" });
  });

  test("a stack without a tracked file has the defaults", () => {
    expect(new StackFiles(pathsOf(root), "other").config()).toEqual({});
  });

  test.each(["../x", "", "a b"])("%j is no stack's name", (name) => {
    expect(() => new StackFiles(pathsOf(root), name)).toThrow("--stack");
  });

  test("YAML that is broken is one line with the file's name", () => {
    writeFileSync(join(root, "stacks/Pulumi.local.yaml"), "config: [");
    expect(() => new StackFiles(pathsOf(root), "local").config()).toThrow(/Pulumi\.local\.yaml is not valid YAML/);
  });
});
