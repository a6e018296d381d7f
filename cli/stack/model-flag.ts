import { existsSync } from "node:fs";
import { readVariables } from "../../infra/config/parsers.ts";
import { MODEL_DIR_VARIABLE } from "../../infra/contract.ts";
import { userPath } from "../core/user-path.ts";
import { type ConfigMap, readText } from "./config.ts";

/** A path as people type it. */
const PATH = /^(?:[/~]|\.\.?(?:\/|$))/;
/** A checkpoint on the hub, unless there is such a file here. */
const ON_HUB = /^(?:hf:|https?:|(?:www\.)?(?:huggingface|hf|hf-mirror)\.\w+\/|[^/]+\/[^/]+\/.)/i;

/**
 * What `--model` sets: an id on the hub, or the path of a model of the user's own. It takes the place of whichever path the stack
 * keeps in `config`, as the key `modelDir` or among the variables of `environment`.
 */
export function modelFlags(
  model: string | undefined,
  config: ConfigMap,
  env: NodeJS.ProcessEnv = process.env,
): readonly string[] {
  if (model === undefined) return [];
  const { [MODEL_DIR_VARIABLE]: path, ...others } = readVariables(readText(config, "environment") ?? "");
  const rest = Object.keys(others).length > 0 ? JSON.stringify(others) : "";
  const environment = path === undefined ? [] : [`environment=${rest}`];
  if (isPath(model, env)) return [`modelDir=${userPath(model, env)}`, ...environment];
  const clear = readText(config, "modelDir") === undefined ? [] : ["modelDir="];
  return [`modelId=${model}`, ...clear, ...environment];
}

function isPath(model: string, env: NodeJS.ProcessEnv): boolean {
  if (PATH.test(model)) return true;
  if (!/\.safetensors$/i.test(model)) return false;
  return !ON_HUB.test(model) || existsSync(userPath(model, env));
}

/** Removes the shell's own path of a model where `--model` names the model; gives the line that says so. */
export function dropShellModel(model: string | undefined, env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (model === undefined || !env[MODEL_DIR_VARIABLE]) return undefined;
  delete env[MODEL_DIR_VARIABLE];
  return `${MODEL_DIR_VARIABLE} of this shell is not taken: --model names the model.`;
}
