/**
 * What the shell of `imagegen up` says of the service, by the table of its variables. In: the shell's environment and the stack's
 * config. Out: config for this run, secrets apart, and a line for each variable that is not taken. Writes nothing.
 */
import { existsSync, readFileSync } from "node:fs";
import { qualifyKey } from "../../infra/config/problem.ts";
import { ALL_KEYS, SECRET_KEYS, TARGET_KEYS } from "../../infra/config/schema.ts";
import { MAP_VARIABLE, SERVICE_VARIABLES } from "../../infra/config/service-variables.ts";
import { isLoopback } from "../../infra/contract.ts";
import type { Context } from "../core/context.ts";
import { type ErrorDetail, formatDetail } from "../core/exit.ts";
import { userPath } from "../core/user-path.ts";
import type { AutomationStack } from "./automation-stack.ts";
import { type ConfigMap, readText } from "./config.ts";
import { isInAws, keyless, read, settingCommand } from "./keyless-variables.ts";

/** How the service is going to run. */
type Mode = "docker" | "process" | "aws" | "fleet";

export interface ShellFacts {
  readonly stack: string;
  readonly mode: Mode;
  /** The stack's config without the shell, and which of its keys this run's flags and the tracked file set. */
  readonly config: ConfigMap;
  readonly flags: ConfigMap;
  readonly tracked: ConfigMap;
}

/** Config that the shell gives this run, by keys with their namespace. */
export interface ShellConfig {
  readonly plain: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
  /** The variables that `plain` and `secrets` come from, and those by key. */
  readonly taken: readonly string[];
  readonly from: Readonly<Record<string, string>>;
  readonly notTaken: readonly ErrorDetail[];
}

export const NOTHING: ShellConfig = { plain: {}, secrets: {}, taken: [], from: {}, notTaken: [] };

/** Addresses that mean another machine where the service runs elsewhere. */
const ADDRESSES = ["hubEndpoint", "httpProxy", "httpsProxy"];
const PATHS = ["caFile", "apiKeysFile", "hostCache", "modelDir"];
/** Stands for both proxies; a process reads it by itself. */
const ALL_PROXY = "ALL_PROXY";
const PROXY_KEYS = ["httpProxy", "httpsProxy"];
/** Keys of a host on AWS that stand for a secret's value. */
const ARNS: Readonly<Record<string, string>> = { apiKey: "apiKeySecretArn", hfToken: "hfTokenSecretArn" };

/** Gives this run the flags and the shell's config, checked together; saves nothing. */
export function useShell({ files }: Pick<Context, "files">, mode: Mode, flags: ConfigMap = {}): ShellConfig {
  files.use(flags);
  const facts = { stack: files.name, mode, config: files.config(), flags, tracked: files.trackedConfig() };
  const shell = readShell(process.env, facts);
  const secrets = Object.keys(shell.secrets).map((key) => [key, { secure: "" }]);
  files.use({ ...shell.plain, ...Object.fromEntries(secrets), ...flags }, shell.from);
  files.check();
  return shell;
}

/** What a run says of the variables of its shell. */
export function logShell(
  { progress }: Pick<Context, "progress">,
  { taken, notTaken }: ShellConfig,
  what: string,
): void {
  if (taken.length > 0) progress.log(`${what}: ${taken.join(", ")}.`);
  for (const detail of notTaken) progress.log(formatDetail(detail));
}

/** Encrypts the shell's secrets into the stack that is going to be brought up; `saveShell` keeps them after it. */
export async function setSecrets(stack: AutomationStack, { secrets }: ShellConfig): Promise<void> {
  for (const [key, value] of Object.entries(secrets)) await stack.setSecret(key, value);
}

/** Keeps what this run took from the shell for the runs after it. */
export function saveShell({ files }: Pick<Context, "files">, { plain, secrets }: ShellConfig): void {
  const encrypted = Object.keys(secrets).flatMap((key) => {
    const value = files.secretOf(key);
    return value ? [[key, value] as const] : [];
  });
  const values = { ...plain, ...Object.fromEntries(encrypted) };
  if (Object.keys(values).length > 0) files.saveOverrides(values);
}

type Found = { readonly name: string; readonly text: string };

export function readShell(env: NodeJS.ProcessEnv, facts: ShellFacts): ShellConfig {
  const plain: Record<string, string> = {};
  const secrets: Record<string, string> = {};
  const from: Record<string, string> = {};
  const notTaken: ErrorDetail[] = [];
  for (const key of keysOf(env, facts.mode)) {
    // A process inherits it with the order that this shell counts devices in.
    if (key === "gpu" && facts.mode === "process") continue;
    const found = configFrom(env, key, facts.mode);
    if (!found) continue;
    const qualified = qualifyKey(key);
    const refusal = "message" in found ? found : refusalOf(key, found, facts);
    if (refusal) notTaken.push(refusal);
    if (refusal || "message" in found || found.text === (readText(facts.config, key) ?? ALL_KEYS[key]?.default))
      continue;
    const spec = ALL_KEYS[key];
    const parsed = spec?.parse(found.text);
    const secret = parsed && "value" in parsed && spec?.secret?.(parsed.value);
    (secret ? secrets : plain)[qualified] = found.text;
    from[qualified] = found.name;
  }
  const taken = [...new Set(Object.values(from))];
  const others = [...notTaken, ...keyless(env, facts)].filter(({ message }) => message);
  return { plain, secrets, taken, from, notTaken: others };
}

/** Keys that a variable of this shell may set. */
function keysOf(env: NodeJS.ProcessEnv, mode: Mode): readonly string[] {
  const keys = SERVICE_VARIABLES.flatMap(({ name, key }) =>
    key !== undefined && read(env, name) !== undefined ? [key] : [],
  );
  const all = mode !== "process" && read(env, ALL_PROXY) !== undefined ? PROXY_KEYS : [];
  return [...new Set([...keys, ...all]), ...(env[MAP_VARIABLE] ? ["environment"] : [])];
}

/** The first variable that sets the key, in config's words. */
function configFrom(env: NodeJS.ProcessEnv, key: string, mode: Mode): Found | ErrorDetail | undefined {
  if (key === "environment") return { name: MAP_VARIABLE, text: env[MAP_VARIABLE] ?? "" };
  const names = SERVICE_VARIABLES.filter((each) => each.key === key).map(({ name }) => name);
  for (const name of PROXY_KEYS.includes(key) ? [...names, ALL_PROXY] : names) {
    const text = read(env, name);
    if (text === undefined) continue;
    if (key === "noProxy") {
      const others = withoutLoopback(text);
      // A process is on this machine.
      return others === "" ? undefined : { name, text: mode === "process" ? text : others };
    }
    if (name === "HF_TOKEN_PATH") return tokenIn(userPath(text, env));
    if (ALL_KEYS[key]?.type === "boolean") return { name, text: String(/^(1|true|yes|on)$/i.test(text)) };
    if (key === "gpu") return { name, text: text === "-1" ? "none" : text };
    return { name, text: PATHS.includes(key) ? userPath(text, env) : text };
  }
  return undefined;
}

function tokenIn(path: string): Found | ErrorDetail | undefined {
  try {
    const text = readFileSync(path, "utf8").trim();
    return text === "" ? undefined : { name: "HF_TOKEN_PATH", text };
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === "ENOENT" ? "there is no such file" : "it can't be read";
    return { message: `HF_TOKEN_PATH is not taken: ${path}: ${reason}.`, fix: "export HF_TOKEN=…" };
  }
}

/** Why a variable is not taken; undefined when it is. */
function refusalOf(key: string, { name, text }: Found, facts: ShellFacts): ErrorDetail | undefined {
  const { mode, stack, config, flags, tracked } = facts;
  const set = (value: string, other = key) => settingCommand(stack, other, value);
  const qualified = qualifyKey(key);
  const parsed = ALL_KEYS[key]?.parse(text);
  const hidden = SECRET_KEYS.some((each) => each === key) && !ALL_KEYS[key]?.shows?.(text);
  if (qualified in flags || (qualified in tracked && readText(tracked, key) !== text && !isInAws(mode))) {
    if (readText(config, key) === text) return undefined;
    const where = qualified in flags ? `--config ${key}` : `stacks/Pulumi.${stack}.yaml`;
    return { message: `${name} of this shell is not taken: ${where} sets ${key}.` };
  }
  if (parsed && "expected" in parsed) {
    // What the service itself reads is the service's to refuse.
    return mode === "process"
      ? undefined
      : { message: `${name} of this shell is not taken: expected ${parsed.expected}.` };
  }
  if (mode === "process") return undefined;
  if (isInAws(mode)) {
    if (key === "hfToken" && readText(config, "modelCache") === "baked") return undefined;
    const arn = ARNS[key];
    if (arn && config[qualifyKey(arn)]) return undefined;
    const message = `${name} of this shell is for this machine, and not passed to a host in AWS`;
    if (mode === "fleet" && !(key in TARGET_KEYS.fleet || (arn ?? "") in TARGET_KEYS.fleet))
      return { message: `${message}.` };
    const reason = SERVICE_VARIABLES.find((each) => each.key === key)?.not?.aws;
    if (reason !== undefined) return { message: `${message}: ${reason}.` };
    if (arn) return { message: `${message}.`, fix: set("<its ARN>", arn) };
    const variable = key === "environment" ? "<NAME>" : name.toUpperCase();
    const fix = hidden ? set(`${variable}=<its ARN>`, "environmentSecretArns") : set(text);
    return { message: `${message}.`, fix };
  }
  if (ADDRESSES.includes(key) && isLoopback(new URL(text).hostname)) {
    const message = `${name} of this shell is not taken: a container does not reach this machine's own loopback address.`;
    return { message, fix: `an address that a container reaches, ${set("http://<address>:<port>")}` };
  }
  if (PATHS.includes(key) && !existsSync(text))
    return { message: `${name} of this shell is not taken: there is no ${text}.`, fix: set("<path>") };
  return undefined;
}

/** NO_PROXY without this machine's own names, which the start of this command adds, and which mean nothing elsewhere. */
function withoutLoopback(text: string): string {
  const hosts = text.split(",").map((host) => host.trim());
  return hosts.filter((host) => host !== "" && !isLoopback(host)).join(",");
}
