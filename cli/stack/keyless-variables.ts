/** Variables of the shell of `imagegen up` that the service reads and no key of config takes: what is said of each. */
import { existsSync } from "node:fs";
import { shellWord } from "../../infra/command-line.ts";
import { hasLogin } from "../../infra/config/login.ts";
import { readVariables } from "../../infra/config/parsers.ts";
import { qualifyKey } from "../../infra/config/problem.ts";
import { MAP_VARIABLE, SERVICE_VARIABLES } from "../../infra/config/service-variables.ts";
import { isSecretName } from "../../infra/contract.ts";
import { commandFor } from "../core/command-line.ts";
import type { ErrorDetail } from "../core/exit.ts";
import { userPath } from "../core/user-path.ts";
import { hubCacheOf } from "../service/hf-home.ts";
import { type ConfigMap, readText } from "./config.ts";
import type { ShellFacts } from "./shell-variables.ts";

/** Where no file and no address of this machine is. */
export const isInAws = (mode: ShellFacts["mode"]) => mode === "aws" || mode === "fleet";

/** Variables of the shell that no key takes. A process inherits them. */
export function keyless(env: NodeJS.ProcessEnv, { mode, stack, config }: ShellFacts): readonly ErrorDetail[] {
  if (mode === "process") return [];
  const details = isInAws(mode) || config[qualifyKey("hostCache")] ? [] : hubCache(env, stack);
  const passed: Record<string, string> = {};
  for (const { name, fixed } of SERVICE_VARIABLES.filter(({ key }) => key === undefined)) {
    const text = read(env, name);
    if (text === undefined || ELSEWHERE.includes(name)) continue;
    const message = `${name} of this shell is not taken`;
    const mirror = readText(config, "modelMirror") ?? "";
    if (name.startsWith("AWS_") && (isInAws(mode) || !mirror.startsWith("s3://"))) continue;
    if (fixed) {
      if (name.startsWith("IMAGE_GEN_")) details.push({ message: `${message}: ${fixed}.` });
    } else if (PATHS_WITHOUT_KEY.includes(name) && existsSync(userPath(text, env))) {
      const where = isInAws(mode) ? "on the host" : "in the container";
      details.push({
        message: `${message}: ${text} is of this machine, and not ${where}.`,
        ...(isInAws(mode) ? {} : fileFix(name, stack)),
      });
    } else passed[name] = text;
  }
  return Object.keys(passed).length === 0 ? details : [...details, passing(passed, stack, config)];
}

/** What names something else in many shells, and what keys are read from. */
const ELSEWHERE = ["HOST", "PORT", "ALL_PROXY"];
const PATHS_WITHOUT_KEY = [
  "IMAGE_GEN_MANIFESTS",
  "SSL_CERT_DIR",
  "AWS_SHARED_CREDENTIALS_FILE",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
  "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

function fileFix(name: string, stack: string): Pick<ErrorDetail, "fix"> {
  const ownKey = name === "SSL_CERT_DIR" ? settingCommand(stack, "caFile", "<a file with these authorities>") : "";
  return { fix: ownKey || commandFor(stack, "up --mode process") };
}

/** Variables without a key, and one command that passes them all beside what the key `environment` has. */
function passing(passed: Readonly<Record<string, string>>, stack: string, config: ConfigMap): ErrorDetail {
  const names = Object.keys(passed);
  const [verb, them] = names.length === 1 ? ["is", "it"] : ["are", "them"];
  const message = `${names.join(", ")} of this shell ${verb} not taken, as no key sets ${them}.`;
  const present = config[qualifyKey("environment")];
  const all = { ...readVariables(readText(config, "environment") ?? ""), ...passed };
  const isSecretOne = ([name, text]: [string, string]) =>
    isSecretName(name) || name === "AWS_ACCESS_KEY_ID" || hasLogin(text);
  if (typeof present === "object" || Object.entries(all).some(isSecretOne)) {
    const map = Object.fromEntries(Object.entries(all).map((each) => [each[0], isSecretOne(each) ? "…" : each[1]]));
    const others = typeof present === "object" ? ", with what it has already" : "";
    return {
      message,
      fix: `export ${MAP_VARIABLE}='${JSON.stringify(map)}'${others}, then ${commandFor(stack, "up")}`,
    };
  }
  const plain = Object.values(all).every((text) => !/[,\s]/.test(text));
  const text = plain
    ? Object.entries(all)
        .map(([name, value]) => `${name}=${value}`)
        .join(",")
    : JSON.stringify(all);
  return { message, fix: settingCommand(stack, "environment", text) };
}

/** The cache of the user's other tools, where a variable moved it: a container reads it by `hostCache` alone. */
function hubCache(env: NodeJS.ProcessEnv, stack: string): ErrorDetail[] {
  const { path, variable } = hubCacheOf(env);
  // Many shells set it, and for other programs.
  if (variable === undefined || (variable === "XDG_CACHE_HOME" && !existsSync(path))) return [];
  const message = `${variable} of this shell is not taken: the container has a cache of its own, and reads this one by hostCache.`;
  return [{ message, fix: settingCommand(stack, "hostCache", path) }];
}

export function settingCommand(stack: string, key: string, value: string): string {
  const word = shellWord(value);
  return commandFor(stack, `up --config ${key}=${word}`);
}

/** A variable's text, whichever way it is spelled; undefined when it is empty. */
export function read(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const text = (env[name] || (name.endsWith("_PROXY") ? env[name.toLowerCase()] : ""))?.trim();
  return text === "" ? undefined : text;
}
