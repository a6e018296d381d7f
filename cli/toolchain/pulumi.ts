import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { parse } from "yaml";
import { type ErrorDetail, lastLine } from "../core/exit.ts";
import { onPath } from "../core/on-path.ts";
import type { Paths } from "../core/paths.ts";
import type { Progress } from "../core/progress.ts";

/** The Pulumi CLI, or why it is not available. */
export type Tools =
  | { readonly ok: true; readonly version: string; readonly root?: string }
  | { readonly ok: false; readonly reason: ErrorDetail };

/** Seconds within which the download site has to answer, and an install has to be done. */
const REACH_S = 10;
const INSTALL_S = 600;
const SITE = "https://get.pulumi.com";
const OPTIONS = { reject: false, timeout: 30_000, env: { PULUMI_SKIP_UPDATE_CHECK: "true" } } as const;

/** Finds the CLI on PATH or in .imagegen/pulumi. */
export async function findPulumi(paths: Paths): Promise<Tools> {
  const oldest = oldestCli(paths);
  let old: string | undefined;
  for (const root of [undefined, paths.pulumi]) {
    const result = await execa(pulumiCommand(root), ["version"], OPTIONS);
    if (result.exitCode !== 0) continue;
    const version = result.stdout.trim().replace(/^v/, "");
    if (isAtLeast(version, oldest)) return root ? { ok: true, version, root } : { ok: true, version };
    old = version;
  }
  const message = old ? `Pulumi ${old} is older than ${oldest}.` : "The Pulumi CLI is not installed.";
  return { ok: false, reason: { message, fix: "https://www.pulumi.com/docs/install/" } };
}

/** The CLI's program: the one on PATH, or the one in a folder that it was installed into. */
export function pulumiCommand(root: string | undefined): string {
  return root ? join(root, "bin", process.platform === "win32" ? "pulumi.exe" : "pulumi") : "pulumi";
}

/** True when version `a` (a.b.c) is `b` or newer. */
export function isAtLeast(a: string, b: string): boolean {
  return a.localeCompare(b, "en", { numeric: true }) >= 0;
}

/** The version in Pulumi.yaml's `requiredPulumiVersion`. */
function oldestCli(paths: Paths): string {
  const project = parse(readFileSync(join(paths.root, "Pulumi.yaml"), "utf8")) as { requiredPulumiVersion?: string };
  return project.requiredPulumiVersion?.replace(/^>=\s*/, "") ?? "3.0.0";
}

/** Finds the CLI, or installs it, within a limit of time. Pulumi itself installs the plugins that a stack in AWS needs. */
export async function ensureCli(paths: Paths, progress: Progress, signal: AbortSignal): Promise<Tools> {
  const found = await findPulumi(paths);
  if (found.ok) return found;
  const failure = await installCli(paths, progress, signal);
  const now = await findPulumi(paths);
  if (now.ok) return now;
  const { message, fix } = now.reason;
  return { ok: false, reason: failure ? { message: `${message.replace(/\.$/, "")} (${failure}).`, fix } : now.reason };
}

/** Finds the CLI and the Docker plugin, or installs them, each within a limit of time. */
export async function ensurePulumi(paths: Paths, progress: Progress, signal: AbortSignal): Promise<Tools> {
  const found = await ensureCli(paths, progress, signal);
  if (!found.ok) return found;
  const lack = await ensurePlugin(paths, found.root, progress, signal);
  return lack ? { ok: false, reason: lack } : found;
}

/** Runs the Automation API's own installer as a child, which can be stopped, unlike a call of it. */
async function installCli(paths: Paths, progress: Progress, signal: AbortSignal): Promise<string | undefined> {
  const proxied = process.env.HTTPS_PROXY ?? process.env.https_proxy;
  const env = proxied ? { NODE_USE_ENV_PROXY: "1" } : {};
  const script = fileURLToPath(new URL("./pulumi-install.ts", import.meta.url));
  progress.update(`looking whether ${SITE} can be reached`);
  const reach = await runGroup([script, "--reach", SITE], REACH_S, env, signal);
  if (reach !== undefined) return `${SITE} is unreachable`;
  progress.log("Installing the Pulumi CLI into .imagegen/pulumi …");
  return runGroup([script, paths.pulumi], INSTALL_S, env, signal);
}

async function runGroup(
  args: string[],
  seconds: number,
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const options = { reject: false, env, detached: process.platform !== "win32", stdin: "ignore" } as const;
  const child = execa(process.execPath, args, options);
  const stop = () => {
    if (child.pid === undefined) return;
    if (options.detached) process.kill(-child.pid, "SIGTERM");
    else child.kill();
  };
  const timer = setTimeout(stop, seconds * 1000);
  signal.addEventListener("abort", stop, { once: true });
  const result = await child;
  clearTimeout(timer);
  signal.removeEventListener("abort", stop);
  signal.throwIfAborted();
  if (result.exitCode === 0) return undefined;
  return result.isTerminated ? `not done within ${seconds} s` : lastLine(result.stderr);
}

/** Finds or installs the Docker provider of the version that package.json names; returns the reason when that fails. */
async function ensurePlugin(
  paths: Paths,
  root: string | undefined,
  progress: Progress,
  signal: AbortSignal,
): Promise<ErrorDetail | undefined> {
  const version = dockerPluginVersion(paths);
  const command = pulumiCommand(root);
  const options = { ...OPTIONS, cwd: paths.home };
  const list = await execa(command, ["plugin", "ls", "--json"], options);
  if (list.exitCode === 0 && hasPlugin(list.stdout, version)) return undefined;
  if (onPath("pulumi-resource-docker")) return undefined;
  progress.log(`Installing Pulumi's Docker plugin ${version} …`);
  const args = ["plugin", "install", "resource", "docker", `v${version}`, "--non-interactive"];
  const result = await execa(command, args, { ...options, timeout: INSTALL_S * 1000, cancelSignal: signal });
  signal.throwIfAborted();
  if (result.exitCode === 0) return undefined;
  const fix = `pulumi ${args.slice(0, 5).join(" ")}`;
  return { message: `Pulumi's Docker plugin ${version} could not be installed.`, fix };
}

function dockerPluginVersion(paths: Paths): string {
  const file = join(paths.root, "node_modules", "@pulumi", "docker", "package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

export function hasPlugin(listing: string, version: string): boolean {
  const plugins = JSON.parse(listing) as { name: string; version?: string }[];
  return plugins.some((plugin) => plugin.name === "docker" && plugin.version?.replace(/^v/, "") === version);
}
