import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { LocalSettings } from "../../../infra/config/settings.ts";
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
  const hfHome = join(paths.data, "huggingface");
  const token = join(homedir(), ".cache", "huggingface", "token");
  // HF_HOME moves the place where `hf auth login` left the user's token.
  const borrowToken = !env.HF_TOKEN && !env.HF_TOKEN_PATH && existsSync(token);
  return {
    PYTHONPATH: join(paths.imageGen, "src"),
    PYTHONUNBUFFERED: "1",
    HF_HOME: hfHome,
    HF_HUB_CACHE: join(hfHome, "hub"),
    TRANSFORMERS_CACHE: join(hfHome, "hub"),
    MODEL_ID: settings.modelId,
    MODEL_REVISION: settings.modelRevision ?? "",
    VAE_ID: settings.vaeId ?? "",
    HOST: settings.bindAddress,
    PORT: String(settings.port),
    IMAGE_GEN_BAKED_DIR: paths.baked,
    ...(settings.hubEndpoint ? { HF_ENDPOINT: settings.hubEndpoint } : {}),
    ...(borrowToken ? { HF_TOKEN_PATH: token } : {}),
  };
}
