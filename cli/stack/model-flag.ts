import { MODEL_DIR_VARIABLE } from "../../infra/contract.ts";
import { userPath } from "../core/user-path.ts";
import { type ConfigMap, readText } from "./config.ts";

/**
 * What `--model` sets: an id on the hub, or the path of a model of the user's own. An id takes the place of such a path, whether
 * the stack keeps one (`config`) or the shell names one.
 */
export function modelFlags(
  model: string | undefined,
  config: ConfigMap,
  env: NodeJS.ProcessEnv = process.env,
): readonly string[] {
  if (model === undefined) return [];
  if (/^(?:[/~]|\.\.?\/)/.test(model)) return [`modelDir=${userPath(model, env)}`];
  const hasPath = readText(config, "modelDir") !== undefined || Boolean(env[MODEL_DIR_VARIABLE]);
  return [`modelId=${model}`, ...(hasPath ? ["modelDir="] : [])];
}
