import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import type { Secrets } from "../config/load.ts";
import { variableOf } from "../config/service-variables.ts";
import { SERVICE_NAME } from "../contract.ts";
import { hookName } from "../hook-name.ts";
import { buildFailure } from "../plan/build-log.ts";
import { ADDRESS_KEYS, type BuildSecret, type ImagePlan } from "../plan/image.ts";

/** What the build reads a secret from. */
export interface BuildSecretFile {
  readonly id: BuildSecret;
  readonly src: pulumi.Input<string>;
}

/** Relative, like all paths of the build: the stack's state is the same wherever the project lies. */
const SECRETS_FOLDER = ".imagegen/build-secrets";

/** Makes room for the build's log, and empties the last one. A preview leaves it. */
export function prepareBuildLog({ logFile }: Pick<ImagePlan, "logFile">, preview: boolean): void {
  if (preview) return;
  mkdirSync(dirname(logFile), { recursive: true });
  writeFileSync(logFile, "");
}

/** Why the build failed, in one line, then the end of its log: the provider's own error is an exit code. No second try. */
export function showBuildLog({ logFile }: Pick<ImagePlan, "logFile">, name: string = SERVICE_NAME): pulumi.ErrorHook {
  return new pulumi.ErrorHook(hookName(name, "show-build-log"), async () => {
    const failure = buildFailure(readLog(logFile) ?? "");
    const fix = failure?.fix ? ` Fix: ${failure.fix}` : "";
    await pulumi.log.error(`The image could not be built${failure ? `: ${failure.cause}` : ""}.${fix}`);
    await pulumi.log.error(`The end of ${logFile}:\n${lastLogLines(logFile)}`);
    return false;
  });
}

function readLog(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

/** The last lines of a build's log, without the empty ones. */
export function lastLogLines(path: string, count = 25): string {
  const lines = readLog(path)?.split("\n") ?? ["(there is none)"];
  return lines
    .filter((line) => line.trim() !== "")
    .slice(-count)
    .join("\n");
}

/**
 * Puts each secret where BuildKit can read it, for this program's lifetime and this user only. BuildKit takes secrets
 * from files or from the environment of the provider, which config can't reach. The paths are no secrets; unmarked, a
 * preview shows them.
 */
export function buildSecretFiles(
  { secrets: wanted, caFile, proxies }: Pick<ImagePlan, "secrets" | "caFile" | "proxies">,
  { hfToken, ...others }: Secrets,
  preview: boolean,
  folder: string = SECRETS_FOLDER,
): BuildSecretFile[] {
  return wanted.flatMap((id): BuildSecretFile[] => {
    if (id === "ca_file") return caFile === null ? [] : [{ id, src: caFile }];
    const content = id === "hf_token" ? hfToken : addressVariables(proxies, others);
    if (content === undefined) return [];
    const path = join(folder, id);
    if (preview) return [{ id, src: path }];
    return [{ id, src: pulumi.unsecret(content.apply((text) => writeSecret(path, text))) }];
  });
}

function writeSecret(path: string, text: string): string {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  process.once("exit", () => rmSync(path, { force: true }));
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

/** Lines for a shell. */
function addressVariables(plain: ImagePlan["proxies"], secrets: Secrets): pulumi.Output<string> {
  const line = (name: string, value: string) => `${name}='${value.replaceAll("'", "%27")}'\n`;
  const set = ADDRESS_KEYS.flatMap((key) => {
    const value = secrets[key];
    return value === undefined ? [] : [value.apply((url) => line(variableOf(key), url))];
  });
  const known = Object.entries(plain).map(([name, value]) => line(name, value));
  return pulumi.all(set).apply((lines) => [...known, ...lines].join(""));
}
