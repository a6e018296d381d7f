import { existsSync, statfsSync } from "node:fs";
import { execa } from "execa";
import { CliError, type ErrorDetail, EXIT, firstLine } from "../core/exit.ts";
import type { Progress } from "../core/progress.ts";

/** The Docker engine, or why there is none and the fix. */
export type Engine =
  | { readonly ok: true; readonly version: string; readonly rootDir: string; readonly runtimes: readonly string[] }
  | { readonly ok: false; readonly reason: ErrorDetail };

/** Milliseconds for the engine to answer. */
const ANSWER_MS = 15_000;
/** Milliseconds for the slowest command, the restart of a busy service. */
const LONGEST_MS = 180_000;
/** Milliseconds without output after which a pull is stopped. */
const SILENT_PULL_MS = 60_000;

const NOT_INSTALLED: ErrorDetail = { message: "Docker is not installed.", fix: "https://docs.docker.com/get-docker/" };

export async function findEngine(): Promise<Engine> {
  const result = await docker(["info", "--format", "{{json .}}"], ANSWER_MS);
  if (result.timedOut) return { ok: false, reason: { message: "Docker does not answer.", fix: "restart Docker" } };
  if (result.code === "ENOENT") return { ok: false, reason: NOT_INSTALLED };
  const info = readInfo(result.stdout);
  if (result.exitCode === 0 && info?.ServerVersion) {
    const runtimes = Object.keys(info.Runtimes ?? {});
    return { ok: true, version: info.ServerVersion, rootDir: info.DockerRootDir ?? "", runtimes };
  }
  return { ok: false, reason: explainEngine(`${result.stderr}\n${info?.ServerErrors?.join("\n") ?? ""}`) };
}

/** Docker's error output as one line, with its fix. */
export function explainEngine(output: string): ErrorDetail {
  if (/permission denied/i.test(output)) {
    const fix = "sudo usermod -aG docker $USER, then log in again";
    return { message: "Permission denied on Docker's socket.", fix };
  }
  if (/cannot connect|is the docker daemon running|connection refused|no such file/i.test(output)) {
    const fix = "start Docker Desktop, or sudo systemctl start docker";
    return { message: "The Docker engine is not running.", fix };
  }
  return { message: `Docker does not work: ${firstLine(output)}` };
}

/** The address of the engine that the `docker` command uses, for programs that do not read its contexts. */
export async function engineAddress(env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  if (env.DOCKER_HOST) return env.DOCKER_HOST;
  const result = await docker(["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"], ANSWER_MS);
  return result.exitCode === 0 && result.stdout.trim() !== "" ? result.stdout.trim() : undefined;
}

export async function hasImage(reference: string): Promise<boolean> {
  return (await docker(["image", "inspect", "--format", "{{.Id}}", reference])).exitCode === 0;
}

/** Pulls `reference`, showing Docker's own progress. Returns the reason when that fails. */
export async function pullImage(
  reference: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<string | undefined> {
  progress.log(`Pulling ${reference} …`);
  const child = execa("docker", ["pull", reference], { reject: false, cancelSignal: signal });
  let timer = setTimeout(() => child.kill(), SILENT_PULL_MS);
  child.stdout.on("data", (chunk: Buffer) => {
    clearTimeout(timer);
    timer = setTimeout(() => child.kill(), SILENT_PULL_MS);
    const last = chunk.toString().trim().split("\n").at(-1);
    if (last) progress.update(last);
  });
  const result = await child;
  clearTimeout(timer);
  signal.throwIfAborted();
  progress.stop();
  if (result.exitCode === 0) return undefined;
  return result.isTerminated
    ? "the registry does not answer"
    : firstLine(result.stderr).replace(/^Error.*?daemon: /, "");
}

export async function findContainer(name: string) {
  const result = await docker(["container", "inspect", name]);
  if (result.exitCode !== 0) return undefined;
  const found = (JSON.parse(result.stdout) as RawContainer[])[0];
  if (!found) return undefined;
  const bindings = Object.values(found.HostConfig.PortBindings ?? {}).flatMap((list) => list ?? []);
  return {
    running: found.State.Running,
    imageId: found.Image,
    ports: bindings.map((binding) => Number(binding.HostPort)),
  };
}

/** A variable of a container's environment. */
export async function containerVariable(container: string, variable: string): Promise<string | undefined> {
  const result = await docker(["container", "inspect", "--format", "{{json .Config.Env}}", container]);
  if (result.exitCode !== 0) return undefined;
  const found = (JSON.parse(result.stdout) as string[] | null)?.find((pair) => pair.startsWith(`${variable}=`));
  return found?.slice(variable.length + 1);
}

/** Whether a volume of Docker's, or the folder that stands for one, is there. */
export async function hasVolume(name: string): Promise<boolean> {
  if (name.startsWith("/")) return existsSync(name);
  return (await docker(["volume", "inspect", name])).exitCode === 0;
}

/** Free bytes of a folder's disk; undefined when it is not a folder of this machine. */
export function freeBytes(folder: string): number | undefined {
  if (!folder || !existsSync(folder)) return undefined;
  const disk = statfsSync(folder);
  return disk.bavail * disk.bsize;
}

/** Runs `docker` for its output; the caller checks the exit code. */
const docker = (args: readonly string[], timeout = LONGEST_MS) => execa("docker", args, { reject: false, timeout });

/** Like `docker`, but a failure is an error of one line. */
export async function dockerOrFail(args: readonly string[]): Promise<string> {
  const result = await docker(args);
  if (result.code === "ENOENT") throw new CliError(NOT_INSTALLED, EXIT.missingPrerequisite);
  if (result.exitCode !== 0) throw new CliError(`docker ${args[0]} failed: ${firstLine(result.stderr)}`);
  return result.stdout;
}

interface RawInfo {
  ServerVersion?: string;
  DockerRootDir?: string;
  Runtimes?: Record<string, unknown>;
  ServerErrors?: string[];
}

interface RawContainer {
  Image: string;
  State: { Running: boolean };
  HostConfig: { PortBindings?: Record<string, { HostPort: string }[] | null> | null };
}

function readInfo(text: string): RawInfo | undefined {
  try {
    return JSON.parse(text) as RawInfo;
  } catch {
    return undefined;
  }
}
