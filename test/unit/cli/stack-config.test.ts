import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { CliError } from "../../../cli/core/exit.ts";
import { pathsOf } from "../../../cli/core/paths.ts";
import { composeStack, parseConfigFlags, settingsFor } from "../../../cli/stack/config.ts";
import { StackFiles } from "../../../cli/stack/files.ts";

const MODEL = "Picture-Perfect-Challenge:modelId";
const PORT = "Picture-Perfect-Challenge:port";
const TOKEN = "Picture-Perfect-Challenge:hfToken";
const none = { tracked: {}, overrides: { config: {} }, chosen: {}, previous: {} };

describe("the config that Pulumi gets", () => {
  test("has the tracked file's values over the run's choice, and the overrides over both", () => {
    const chosen = { [MODEL]: "demo" };
    expect(composeStack({ ...none, chosen }).config).toEqual({ [MODEL]: "demo" });
    const tracked = { config: { [MODEL]: "a/b", [PORT]: 8000 } };
    expect(composeStack({ ...none, chosen, tracked }).config).toEqual({ [MODEL]: "a/b", [PORT]: 8000 });
    const overrides = { config: { [PORT]: "8001" } };
    expect(composeStack({ ...none, chosen, tracked, overrides }).config).toEqual({ [MODEL]: "a/b", [PORT]: "8001" });
  });

  test("keeps the salt of the last working copy, but not its config", () => {
    const previous = { encryptionsalt: "v1:salt", config: { [PORT]: "9999" } };
    expect(composeStack({ ...none, previous })).toEqual({ encryptionsalt: "v1:salt", config: {} });
  });

  test("has the tracked file's own salt, and drops a secret made with another", () => {
    const overrides = { config: { [TOKEN]: { secure: "v1:x" } }, salt: "v1:old" };
    const parts = { ...none, overrides, previous: { encryptionsalt: "v1:old" } };
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
  test("refuses a secret, which other users could read", () => {
    expect(() => parseConfigFlags(["hfToken=hf_x"])).toThrow(/secret.*HF_TOKEN/);
  });
  test.each(["port", "=8001"])("refuses %s, which is no key=value", (flag) => {
    expect(() => parseConfigFlags([flag])).toThrow("expected key=value");
  });
});

describe("settings", () => {
  test("report every mistake, each with a command that fixes it", () => {
    const read = () => settingsFor("local", { [PORT]: "0", "Picture-Perfect-Challenge:modelCach": "baked" });
    expect(read).toThrow(CliError);
    expect(read).toThrow(/modelCach.*modelCache.*--reset-config/);
    expect(read).toThrow(/port: expected.*Fix: imagegen up --config port=8000/);
  });
  test("ignore other namespaces and secrets", () => {
    const settings = settingsFor("local", { "docker:host": "x", [TOKEN]: { secure: "v1:x" } });
    expect(settings.port).toBe(8000);
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

  test("keys without a namespace are the project's, as Pulumi reads them", () => {
    writeFileSync(join(root, "stacks/Pulumi.local.yaml"), 'config:\n  port: "8107"\n  aws:region: eu-west-1\n');
    const files = new StackFiles(pathsOf(root), "local");
    expect(files.config()).toEqual({ [PORT]: "8107", "aws:region": "eu-west-1" });
    expect(settingsFor("local", files.config()).port).toBe(8107);
  });

  test("overrides last from one run to the next, until they are cleared", () => {
    new StackFiles(pathsOf(root), "local").saveOverrides({ [PORT]: "8005" });
    const again = new StackFiles(pathsOf(root), "local");
    again.saveOverrides({ [MODEL]: "a/b" });
    expect(again.config()).toEqual({ [PORT]: "8005", [MODEL]: "a/b" });
    again.begin({ reset: true });
    expect(again.config()).toEqual({ [PORT]: "8000" });
    again.keep();
    expect(new StackFiles(pathsOf(root), "local").config()).toEqual({ [PORT]: "8000" });
  });

  test("what an up began with is remembered once it has succeeded, with what it saved meanwhile", () => {
    const saved = () => new StackFiles(pathsOf(root), "local").config();
    const files = new StackFiles(pathsOf(root), "local");
    files.saveOverrides({ [PORT]: "8005" });
    files.begin();
    expect(files.isPending).toBe(true);
    files.saveOverrides({ [MODEL]: "a/b" });
    files.saveOverrides({ [PORT]: "8006" });
    expect(files.config()).toEqual({ [PORT]: "8006", [MODEL]: "a/b" });
    expect(saved()).toEqual({ [PORT]: "8005" });
    files.keep();
    expect(files.isPending).toBe(false);
    expect(saved()).toEqual({ [PORT]: "8006", [MODEL]: "a/b" });
  });

  test("what an up wrote is put back", () => {
    const files = new StackFiles(pathsOf(root), "local");
    files.write({ [MODEL]: "demo" });
    files.setLastMode("docker");
    const undo = files.rememberStart();
    files.write({ [MODEL]: "a/b" });
    files.setLastMode("process");
    undo();
    expect(files.lastConfig()).toMatchObject({ [MODEL]: "demo" });
    expect(files.lastMode()).toBe("docker");
  });

  test("the tracked file is not written by overrides or an up", () => {
    const tracked = join(root, "stacks/Pulumi.local.yaml");
    const before = readFileSync(tracked, "utf8");
    const files = new StackFiles(pathsOf(root), "local");
    files.saveOverrides({ [PORT]: "8005" });
    files.write({ [MODEL]: "demo" });
    expect(readFileSync(tracked, "utf8")).toBe(before);
    expect(parse(readFileSync(files.workingCopy, "utf8"))).toEqual({ config: { [PORT]: "8005", [MODEL]: "demo" } });
  });

  test("overrides of version 51b7e56 are read with the keys' present names, and renamed by the first write", () => {
    const old = join(root, ".imagegen/stacks/local.kept.json");
    mkdirSync(join(root, ".imagegen/stacks"), { recursive: true });
    const saved51b = {
      config: { [PORT]: "8005", "Picture-Perfect-Challenge:cacheOnDestroy": "delete" },
      salt: "v1:salt",
    };
    writeFileSync(old, `${JSON.stringify(saved51b, null, 2)}\n`);
    const files = new StackFiles(pathsOf(root), "local");
    const onDestroy = { "Picture-Perfect-Challenge:onDestroy": "delete" };
    expect(files.config()).toEqual({ [PORT]: "8005", ...onDestroy });
    expect(files.settings("local")).toMatchObject({ port: 8005, onDestroy: "delete" });
    files.saveOverrides({ [MODEL]: "a/b" });
    expect(existsSync(old)).toBe(false);
    const saved = readFileSync(join(root, ".imagegen/stacks/local.overrides.json"), "utf8");
    expect(JSON.parse(saved)).toEqual({ config: { [PORT]: "8005", ...onDestroy, [MODEL]: "a/b" }, salt: "v1:salt" });
  });

  test("overrides of version 51b7e56 are removed by a reset", () => {
    mkdirSync(join(root, ".imagegen/stacks"), { recursive: true });
    writeFileSync(join(root, ".imagegen/stacks/local.kept.json"), JSON.stringify({ config: { [PORT]: "8005" } }));
    const files = new StackFiles(pathsOf(root), "local");
    files.begin({ reset: true });
    files.keep();
    expect(files.config()).toEqual({ [PORT]: "8000" });
  });

  test("a working copy of version 51b7e56 is read with the keys' present names", () => {
    mkdirSync(join(root, ".imagegen/stacks"), { recursive: true });
    const text = `encryptionsalt: v1:salt\nconfig:\n  Picture-Perfect-Challenge:cacheOnDestroy: delete\n  ${MODEL}: demo\n`;
    writeFileSync(join(root, ".imagegen/stacks/Pulumi.local.yaml"), text);
    const settings = new StackFiles(pathsOf(root), "local").lastSettings("local");
    expect(settings).toMatchObject({ modelId: "demo", onDestroy: "delete" });
  });

  test.each([
    ["locl", /no stack "locl"; there are local\. Fix: --stack local, or for a new stack: .*--stack locl/],
    ["elsewhere", /no stack "elsewhere"; there are local\. Fix: .*--config target=local --stack elsewhere/],
  ])("a stack %s without any file is refused", (name, message) => {
    expect(() => new StackFiles(pathsOf(root), name).requireKnown()).toThrow(message);
  });

  test.each(["elsewhere.overrides.json", "elsewhere.kept.json", "Pulumi.elsewhere.yaml"])(
    "a stack without a tracked file is known by its %s",
    (file) => {
      mkdirSync(join(root, ".imagegen/stacks"), { recursive: true });
      writeFileSync(join(root, ".imagegen/stacks", file), "{}");
      expect(() => new StackFiles(pathsOf(root), "elsewhere").requireKnown()).not.toThrow();
    },
  );

  test("a mistake names where its value comes from, with a fix for that place", () => {
    const files = new StackFiles(pathsOf(root), "local");
    const failure = (act: () => unknown) => {
      try {
        act();
      } catch (error) {
        if (error instanceof CliError) return error.message;
      }
      return "no error";
    };
    const QUEUE = "Picture-Perfect-Challenge:queueLimit";
    const WRONG = "Picture-Perfect-Challenge:modelCach";
    files.use({ [WRONG]: "baked" });
    expect(failure(() => files.check())).toMatch(/\(on the command line\)\. Fix: remove --config modelCach/);
    files.use({ [QUEUE]: "-1" }, { [QUEUE]: "IMAGE_GEN_QUEUE_LIMIT" });
    expect(failure(() => files.check())).toMatch(
      /\(IMAGE_GEN_QUEUE_LIMIT of this shell\)\. Fix: unset IMAGE_GEN_QUEUE_LIMIT, or imagegen up --config queueLimit=8$/,
    );
    expect(files.overrides()).toEqual({ config: {} });
    files.use({});
    files.saveOverrides({ [WRONG]: "baked" });
    expect(failure(() => files.settings("local"))).toMatch(
      /\(set by an earlier command\)\. Fix: imagegen up --reset-config/,
    );
    rmSync(join(root, ".imagegen"), { recursive: true });
    writeFileSync(join(root, "stacks/Pulumi.local.yaml"), `config:\n  ${WRONG}: baked\n`);
    expect(failure(() => files.settings("local"))).toMatch(
      /\(in stacks\/Pulumi\.local\.yaml\)\. Fix: remove modelCach from stacks\/Pulumi\.local\.yaml/,
    );
  });

  test("lastConfig is the config of the last start", () => {
    const files = new StackFiles(pathsOf(root), "local");
    expect(files.lastConfig()).toEqual({ [PORT]: "8000" });
    files.write({ [MODEL]: "demo" });
    expect(files.lastConfig()).toEqual({ [PORT]: "8000", [MODEL]: "demo" });
  });

  test("a stack without a tracked file has the defaults", () => {
    expect(new StackFiles(pathsOf(root), "other").config()).toEqual({});
  });

  test.each(["../x", "", "a b"])("%j is refused as a stack's name", (name) => {
    expect(() => new StackFiles(pathsOf(root), name)).toThrow("--stack");
  });

  test("broken YAML is an error of one line with the file's name", () => {
    writeFileSync(join(root, "stacks/Pulumi.local.yaml"), "config: [");
    expect(() => new StackFiles(pathsOf(root), "local").config()).toThrow(/Pulumi\.local\.yaml is not valid YAML/);
  });
});
