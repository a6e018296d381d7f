import { expect, test } from "vitest";
import { modelFlags } from "../../../cli/stack/model-flag.ts";
import { qualifyKey } from "../../../infra/config/problem.ts";

const HERE = { HOME: "/home/anna" };

test.each([
  [undefined, []],
  ["org/model", ["modelId=org/model"]],
  ["demo", ["modelId=demo"]],
  ["~/models/fox.safetensors", ["modelDir=/home/anna/models/fox.safetensors"]],
  ["./fox", [`modelDir=${process.cwd()}/fox`]],
  ["/srv/fox", ["modelDir=/srv/fox"]],
])("--model %s sets %j", (model, expected) => {
  expect(modelFlags(model, {}, HERE)).toEqual(expected);
});

test("an id takes the place of a path that the stack keeps, or that the shell names", () => {
  const kept = { [qualifyKey("modelDir")]: "/srv/fox" };
  expect(modelFlags("org/model", kept, HERE)).toEqual(["modelId=org/model", "modelDir="]);
  expect(modelFlags("org/model", {}, { MODEL_DIR: "/srv/fox" })).toEqual(["modelId=org/model", "modelDir="]);
});
