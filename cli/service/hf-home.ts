/** Where the user's other Hugging Face tools keep models and the login's token, by the variables that those tools read. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { userPath } from "../core/user-path.ts";

export const HUB_CACHES = ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"];

function hfHome(env: NodeJS.ProcessEnv): string {
  if (env.HF_HOME) return userPath(env.HF_HOME, env);
  return join(userPath(env.XDG_CACHE_HOME || "~/.cache", env), "huggingface");
}

/** The folder with the user's models, and the variable that moves it there; whether it exists is another question. */
export function hubCacheOf(env: NodeJS.ProcessEnv): { readonly path: string; readonly variable: string | undefined } {
  const variable = [...HUB_CACHES, "HF_HOME", "XDG_CACHE_HOME"].find((name) => env[name]);
  const named = HUB_CACHES.find((name) => name === variable);
  return { path: named ? userPath(env[named] ?? "", env) : join(hfHome(env), "hub"), variable };
}

/** The file that `hf auth login` left; undefined when there is none. */
export function loginTokenFile(env: NodeJS.ProcessEnv): string | undefined {
  const file = join(hfHome(env), "token");
  return existsSync(file) ? file : undefined;
}
