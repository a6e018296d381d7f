import { existsSync, statfsSync } from "node:fs";
import { execa, type Options } from "execa";
import { CliError, EXIT, oneLine } from "../../core/exit.ts";
import type { Progress } from "../../core/progress.ts";

/** What is known of the Docker engine, or one line on why there is none and what to do. */
export type Engine =
  | { readonly ok: true; readonly version: string; readonly rootDir: string; readonly runtimes: readonly string[] }
  | { readonly ok: false; readonly message: string };

export interface Container {
  readonly running: boolean;
  readonly imageId: string;
  readonly ports: readonly number[];
  readonly mounts: readonly { readonly destination: string; readonly name: string; readonly type: string }[];
}

/** Milliseconds within which an engine that works has answered. */
const ANSWER_MS = 15_000;
/** The slowest command that changes something, a restart of a busy service, is done within this (milliseconds). */
const LONGEST_MS = 180_000;
/** A pull that says nothing for so long (milliseconds) is given up. */
const SILENT_PULL_MS = 60_000;

export async function findEngine(): Promise<Engine> {
  const result = await docker(["info", "--format", "{{json .}}"], { timeout: ANSWER_MS });
  if (result.timedOut) return { ok: false, message: "Docker does not answer. Fix: restart Docker" };
  if (result.code === "ENOENT")
    return { ok: false, message: "Docker is not installed. Fix: https://docs.docker.com/get-docker/" };
  const info = readInfo(result.stdout);
  if (result.exitCode === 0 && info?.ServerVersion) {
    const runtimes = Object.keys(info.Runtimes ?? {});
    return { ok: true, version: info.ServerVersion, rootDir: info.DockerRootDir ?? "", runtimes };
  }
  return { ok: false, message: explainEngine(`${result.stderr}\n${info?.ServerErrors?.join("\n") ?? ""}`) };
}

/** Docker's own complaint as one line with its mend. */
export function explainEngine(complaint: string): string {
  if (/permission denied/i.test(complaint)) {
    return "no rights on Docker's socket. Fix: sudo usermod -aG docker $USER, then log in again";
  }
  if (/cannot connect|is the docker daemon running|connection refused|no such file/i.test(complaint)) {
    return "the Docker engine is not running. Fix: start Docker Desktop, or sudo systemctl start docker";
  }
  return `Docker does not work: ${oneLine(complaint)}`;
}

/** The address of the engine that the `docker` command uses, for programs that do not read its contexts. */
export async function engineAddress(env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  if (env.DOCKER_HOST) return env.DOCKER_HOST;
  const result = await docker(["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"], { timeout: ANSWER_MS });
  return result.exitCode === 0 && result.stdout.trim() !== "" ? result.stdout.trim() : undefined;
}

export async function hasImage(reference: string): Promise<boolean> {
  return (await docker(["image", "inspect", "--format", "{{.Id}}", reference])).exitCode === 0;
}

/** Pulls `reference`, showing Docker's own progress. Returns the reason when it can't be had. */
export async function pullImage(
  reference: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<string | undefined> {
  progress.line(`Pulling ${reference} …`);
  const child = execa("docker", ["pull", reference], { reject: false, cancelSignal: signal });
  let timer = setTimeout(() => child.kill(), SILENT_PULL_MS);
  child.stdout.on("data", (chunk: Buffer) => {
    clearTimeout(timer);
    timer = setTimeout(() => child.kill(), SILENT_PULL_MS);
    const last = chunk.toString().trim().split("\n").at(-1);
    if (last) progress.live(last);
  });
  const result = await child;
  clearTimeout(timer);
  signal.throwIfAborted();
  progress.settle();
  if (result.exitCode === 0) return undefined;
  return result.isTerminated ? "the registry does not answer" : oneLine(result.stderr).replace(/^Error.*?daemon: /, "");
}

export async function findContainer(name: string): Promise<Container | undefined> {
  const result = await docker(["container", "inspect", name]);
  if (result.exitCode !== 0) return undefined;
  const found = (JSON.parse(result.stdout) as RawContainer[])[0];
  if (!found) return undefined;
  const bindings = Object.values(found.HostConfig.PortBindings ?? {}).flatMap((list) => list ?? []);
  return {
    running: found.State.Running,
    imageId: found.Image,
    ports: bindings.map((binding) => Number(binding.HostPort)),
    mounts: found.Mounts.map((mount) => ({ destination: mount.Destination, name: mount.Name ?? "", type: mount.Type })),
  };
}

export async function hasVolume(name: string): Promise<boolean> {
  return (await docker(["volume", "inspect", name])).exitCode === 0;
}

/** Free bytes where Docker keeps its images; undefined when that is not a folder of this machine. */
export function freeBytes(folder: string): number | undefined {
  if (!folder || !existsSync(folder)) return undefined;
  const disk = statfsSync(folder);
  return disk.bavail * disk.bsize;
}

/** Runs `docker` for its output; the caller looks at the exit code. */
async function docker(args: readonly string[], options: Options = {}) {
  const result = await execa("docker", args, { reject: false, timeout: LONGEST_MS, ...options });
  return {
    exitCode: result.exitCode,
    code: result.code,
    timedOut: result.timedOut,
    stdout: String(result.stdout ?? ""),
    stderr: String(result.stderr ?? ""),
  };
}

/** Like `docker`, but a failure is an error of one line. */
export async function dockerOrFail(args: readonly string[]): Promise<string> {
  const result = await docker(args);
  if (result.code === "ENOENT") throw new CliError("Docker is not installed.", EXIT.machine);
  if (result.exitCode !== 0) throw new CliError(`docker ${args[0]} failed: ${oneLine(result.stderr)}`);
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
  Mounts: { Type: string; Name?: string; Destination: string }[];
}

function readInfo(text: string): RawInfo | undefined {
  try {
    return JSON.parse(text) as RawInfo;
  } catch {
    return undefined;
  }
}
