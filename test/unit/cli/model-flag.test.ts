import { expect, test } from "vitest";
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
])("--model %s sets %j", (model, expected) => {
  expect(modelFlags(model, {}, HERE)).toEqual(expected);
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
