import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { dropShellModel, modelFlags } from "../../../cli/stack/model-flag.ts";
import { qualifyKey } from "../../../infra/config/problem.ts";

const HERE = { HOME: "/home/anna" };

test.each([
  [undefined, []],
  ["org/model", ["modelId=org/model"]],
  ["demo", ["modelId=demo"]],
  ["~/models/fox.safetensors", ["modelDir=/home/anna/models/fox.safetensors"]],
  ["./fox", [`modelDir=${process.cwd()}/fox`]],
  ["/srv/fox", ["modelDir=/srv/fox"]],
  [".", [`modelDir=${process.cwd()}`]],
  ["fox.safetensors", [`modelDir=${process.cwd()}/fox.safetensors`]],
  ["models/fox.safetensors", [`modelDir=${process.cwd()}/models/fox.safetensors`]],
  ["org/name/fox.safetensors", ["modelId=org/name/fox.safetensors"]],
  ["hf.co/org/name/blob/main/fox.safetensors", ["modelId=hf.co/org/name/blob/main/fox.safetensors"]],
])("--model %s sets %j", (model, expected) => {
  expect(modelFlags(model, {}, HERE)).toEqual(expected);
});

test("a checkpoint that is here is meant, and not one on the hub", () => {
  mkdirSync(".imagegen", { recursive: true });
  const folder = mkdtempSync(join(".imagegen", "model-flag-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const model = join(folder, "fox.safetensors");
  expect(modelFlags(model, {}, HERE)).toEqual([`modelId=${model}`]);
  writeFileSync(model, "");
  expect(modelFlags(model, {}, HERE)).toEqual([`modelDir=${process.cwd()}/${model}`]);
});

test.each([
  [{ modelDir: "/srv/fox" }, ["modelId=org/model", "modelDir="]],
  [{ environment: "MODEL_DIR=/data/fox" }, ["modelId=org/model", "environment="]],
  [{ environment: "MODEL_DIR=/data/fox,A=b" }, ["modelId=org/model", 'environment={"A":"b"}']],
  [{ environment: "A=b" }, ["modelId=org/model"]],
])("an id takes the place of the path that the stack keeps in %j", (kept, expected) => {
  const config = Object.fromEntries(Object.entries(kept).map(([key, value]) => [qualifyKey(key), value]));
  expect(modelFlags("org/model", config, HERE)).toEqual(expected);
});

test("a path takes the place of one among the variables", () => {
  const config = { [qualifyKey("environment")]: "MODEL_DIR=/data/fox" };
  expect(modelFlags("/srv/fox", config, HERE)).toEqual(["modelDir=/srv/fox", "environment="]);
});

test("--model wins over the shell's path, which then reaches neither the checks nor the process", () => {
  const env = { MODEL_DIR: "/srv/fox" };
  expect(dropShellModel(undefined, env)).toBeUndefined();
  expect(env).toEqual({ MODEL_DIR: "/srv/fox" });
  expect(dropShellModel("org/model", env)).toMatch(/^MODEL_DIR of this shell is not taken/);
  expect(env).toEqual({});
});
