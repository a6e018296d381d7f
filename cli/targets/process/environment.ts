import { existsSync } from "node:fs";
import { join } from "node:path";
import { readVariables } from "../../../infra/config/parsers.ts";
import { MAP_VARIABLE } from "../../../infra/config/service-variables.ts";
import type { LocalSettings } from "../../../infra/config/settings.ts";
import {
  API_KEY_VARIABLE,
  cacheEnvironment,
  gpuEnvironment,
  HOST_CACHE_VARIABLE,
  MODEL_VARIABLES,
  TOKEN_VARIABLE,
} from "../../../infra/contract.ts";
import { modelEnvironment } from "../../../infra/plan/container.ts";
import { planGpus } from "../../../infra/plan/gpus.ts";
import { secretVariables, settingsEnvironment } from "../../../infra/plan/service-environment.ts";
import type { Context } from "../../core/context.ts";
import { CliError, EXIT } from "../../core/exit.ts";
import type { Paths } from "../../core/paths.ts";
import { userPath } from "../../core/user-path.ts";
import { hubCacheOf, loginTokenFile } from "../../service/hf-home.ts";

/** The variables that `image_gen` reads, for a process of this checkout; the rest comes from the user's shell. */
export function processEnvironment(
  paths: Paths,
  settings: LocalSettings,
  env: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  const ownToken = TOKENS.some((name) => env[name]);
  // The process has an HF_HOME of its own, without the token that `hf auth login` left in the user's.
  const login = ownToken || env.HF_TOKEN_PATH ? undefined : loginTokenFile(env);
  const configured = settingsEnvironment(settings, "process");
  const own = join(paths.data, "huggingface");
  return {
    PYTHONPATH: join(paths.imageGen, "src"),
    PYTHONUNBUFFERED: "1",
    ...cacheEnvironment(own),
    ...hostCache(env, own),
    [MODEL_VARIABLES.modelRevision]: "",
    [MODEL_VARIABLES.vaeId]: "",
    ...inheritedPaths(env),
    ...gpuVariables(settings.gpu),
    ...readVariables(env[MAP_VARIABLE] ?? ""),
    ...modelEnvironment(settings),
    ...configured,
    // Where both spellings are set, a library may read the small one.
    ...inSmallLetters(configured),
    HOST: settings.bindAddress,
    PORT: String(settings.port),
    IMAGE_GEN_BAKED_DIR: paths.baked,
    ...(login === undefined ? {} : { HF_TOKEN_PATH: login }),
  };
}

const TOKENS = [TOKEN_VARIABLE, "HUGGING_FACE_HUB_TOKEN"];
/** Variables with a path that the process inherits. It runs in another folder than the user's. */
const INHERITED_PATHS = [
  "HF_TOKEN_PATH",
  "MODEL_DIR",
  "IMAGE_GEN_MANIFESTS",
  "AWS_SHARED_CREDENTIALS_FILE",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
];

function inheritedPaths(env: NodeJS.ProcessEnv): Record<string, string> {
  const set = INHERITED_PATHS.flatMap((name) => (env[name] ? [[name, userPath(env[name], env)] as const] : []));
  return Object.fromEntries(set);
}

/** The cache that the user's other tools have, for reading: what is there need not be downloaded again. */
function hostCache(env: NodeJS.ProcessEnv, own: string): Record<string, string> {
  if (env[HOST_CACHE_VARIABLE] !== undefined) return {};
  const { path: found } = hubCacheOf(env);
  return existsSync(found) && found !== join(own, "hub") ? { [HOST_CACHE_VARIABLE]: found } : {};
}

function gpuVariables(gpu: string): Record<string, string> {
  const gpus = planGpus(gpu, true);
  if (gpus === null) return { IMAGE_GEN_DEVICE: "cpu" };
  return gpus === "all" ? {} : gpuEnvironment(gpus);
}

function inSmallLetters(values: Readonly<Record<string, string>>): Record<string, string> {
  const proxies = Object.entries(values).filter(([name]) => name.endsWith("_PROXY"));
  return Object.fromEntries(proxies.map(([name, value]) => [name.toLowerCase(), value]));
}

/** A process has its secrets from the shell: config's are encrypted, for Pulumi to read. Without its key it would serve everybody. */
export function requireSecrets(
  { progress, files }: Pick<Context, "progress" | "files">,
  settings: Pick<LocalSettings, "secretKeys">,
  env: NodeJS.ProcessEnv = process.env,
): void {
  for (const { key, name } of secretVariables(settings)) {
    const variable = name ?? MAP_VARIABLE;
    if (env[variable] || env[variable.toLowerCase()] || (key === "hfToken" && env.HF_TOKEN_PATH)) continue;
    const message = `${key} of the stack ${files.name} is encrypted, and a process has it from ${variable} alone.`;
    const fix = `export ${variable}=…`;
    if (variable === API_KEY_VARIABLE) throw new CliError({ message, fix }, EXIT.usage);
    progress.log(`${message} It starts without it. Fix: ${fix}`);
  }
}
