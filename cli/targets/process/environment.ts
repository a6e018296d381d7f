import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { LocalSettings } from "../../../infra/config/settings.ts";
import { cacheEnvironment, MODEL_VARIABLES, TOKEN_VARIABLE } from "../../../infra/contract.ts";
import type { Paths } from "../../core/paths.ts";

export type ProcessSettings = Pick<
  LocalSettings,
  "modelId" | "modelRevision" | "vaeId" | "hubEndpoint" | "port" | "bindAddress"
>;

/** The variables that `image_gen` reads, for a process of this checkout; the rest comes from the user's shell. */
export function processEnvironment(
  paths: Paths,
  settings: ProcessSettings,
  env: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  const token = join(homedir(), ".cache", "huggingface", "token");
  // HF_HOME moves the place where `hf auth login` left the user's token.
  const useLoginToken = !env[TOKEN_VARIABLE] && !env.HF_TOKEN_PATH && existsSync(token);
  return {
    PYTHONPATH: join(paths.imageGen, "src"),
    PYTHONUNBUFFERED: "1",
    ...cacheEnvironment(join(paths.data, "huggingface")),
    [MODEL_VARIABLES.modelId]: settings.modelId,
    [MODEL_VARIABLES.modelRevision]: settings.modelRevision ?? "",
    [MODEL_VARIABLES.vaeId]: settings.vaeId ?? "",
    HOST: settings.bindAddress,
    PORT: String(settings.port),
    IMAGE_GEN_BAKED_DIR: paths.baked,
    ...(settings.hubEndpoint ? { [MODEL_VARIABLES.hubEndpoint]: settings.hubEndpoint } : {}),
    ...(useLoginToken ? { HF_TOKEN_PATH: token } : {}),
  };
}
