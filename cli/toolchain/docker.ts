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

/** The engine can't be asked; that says nothing about what is in it. */
export class EngineError extends CliError {
  constructor(reason: ErrorDetail) {
    super(reason, EXIT.missingPrerequisite);
  }

  /** False where there is no Docker at all, and so nothing in it. */
  get isInstalled(): boolean {
    return this.details[0] !== NOT_INSTALLED;
  }
}

export async function findEngine(): Promise<Engine> {
  const result = await docker(["info", "--format", "{{json .}}"], ANSWER_MS);
  const info = readJson<RawInfo>(result.stdout);
  if (result.exitCode === 0 && info?.ServerVersion) {
    if (await isPodman()) return { ok: false, reason: explainPodman(info.ServerVersion) };
    const runtimes = Object.keys(info.Runtimes ?? {});
    return { ok: true, version: info.ServerVersion, rootDir: info.DockerRootDir ?? "", runtimes };
  }
  // Podman's own program, called `docker`, has an information of another form.
  if (result.exitCode === 0 && info?.version?.Version)
    return { ok: false, reason: explainPodman(info.version.Version) };
  return { ok: false, reason: await explainFailure(result, info?.ServerErrors) };
}

/** Podman behind Docker's API, which has no BuildKit. */
async function isPodman(): Promise<boolean> {
  const format = "{{range .Server.Components}}{{.Name}}\n{{end}}";
  return /podman/i.test((await docker(["version", "--format", format], ANSWER_MS)).stdout ?? "");
}

function explainPodman(version: string): ErrorDetail {
  const message = `This is Podman ${version}, and Pulumi's Docker provider builds images with BuildKit, which it lacks.`;
  return { message, fix: "a Docker engine, or --mode process" };
}

async function explainFailure(result: DockerResult, serverErrors: readonly string[] = []): Promise<ErrorDetail> {
  if (result.code === "ENOENT") return NOT_INSTALLED;
  const output = result.timedOut ? "timeout" : `${result.stderr}\n${serverErrors.join("\n")}`;
  return explainEngine(output, await chosenEngine());
}

/** What names another engine than the system's own, and the way back; undefined where nothing does. */
export interface ChosenEngine {
  readonly by: string;
  readonly undo: string;
}

async function chosenEngine(env: NodeJS.ProcessEnv = process.env): Promise<ChosenEngine | undefined> {
  if (env.DOCKER_HOST) return { by: `DOCKER_HOST=${env.DOCKER_HOST}`, undo: "unset DOCKER_HOST" };
  if (env.DOCKER_CONTEXT) return { by: `DOCKER_CONTEXT=${env.DOCKER_CONTEXT}`, undo: "unset DOCKER_CONTEXT" };
  const name = (await docker(["context", "show"], ANSWER_MS)).stdout?.trim();
  return name && name !== "default"
    ? { by: `the Docker context ${name}`, undo: "docker context use default" }
    : undefined;
}

/** Docker's error output as one line, with its fix. */
export function explainEngine(output: string, chosen?: ChosenEngine): ErrorDetail {
  const where = chosen ? ` (${chosen.by})` : "";
  const start = "start Docker Desktop, or sudo systemctl start docker";
  const fix = chosen ? `${chosen.undo}, or start the engine that it names` : start;
  if (/permission denied/i.test(output)) {
    const join = "sudo usermod -aG docker $USER, then log in again";
    return { message: `Permission denied on Docker's socket${where}.`, fix: join };
  }
  if (output === "timeout")
    return { message: `The Docker engine does not answer${where}.`, fix: chosen ? fix : "restart Docker" };
  if (UNREACHABLE.test(output)) return { message: `The Docker engine is not running${where}.`, fix };
  return { message: `Docker does not work${where}: ${firstLine(output)}`, ...(chosen ? { fix } : {}) };
}

const UNREACHABLE =
  /cannot connect|failed to connect|is the docker daemon running|connection refused|no such file|no such host|deadline|i\/o timeout|context .* not found/i;

/** The address of the engine that the `docker` command uses, for programs that do not read its contexts. */
export async function engineAddress(env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  if (env.DOCKER_HOST) return env.DOCKER_HOST;
  const result = await docker(["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"], ANSWER_MS);
  return result.exitCode === 0 && result.stdout.trim() !== "" ? result.stdout.trim() : undefined;
}

/** What the engine has under this name; undefined when it has none. Throws an EngineError when it can't be asked. */
async function inspect<T>(kind: "image" | "container" | "volume", name: string): Promise<T | undefined> {
  const result = await docker([kind, "inspect", name]);
  if (result.exitCode === 0) return readJson<T[]>(result.stdout)?.[0];
  if (/no such (image|container|volume|object)/i.test(result.stderr ?? "")) return undefined;
  throw new EngineError(await explainFailure(result));
}

export async function hasImage(reference: string): Promise<boolean> {
  return (await inspect("image", reference)) !== undefined;
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

export type Container = NonNullable<Awaited<ReturnType<typeof findContainer>>>;

export async function findContainer(name: string) {
  const found = await inspect<RawContainer>("container", name);
  if (!found) return undefined;
  const bindings = Object.values(found.HostConfig.PortBindings ?? {}).flatMap((list) => list ?? []);
  return {
    id: found.Id,
    name,
    running: found.State.Running,
    imageId: found.Image,
    labels: found.Config?.Labels ?? {},
    ports: bindings.map((binding) => Number(binding.HostPort)),
  };
}

/** Like `findContainer`; where there is no engine to ask, there is no container to care for. */
export async function findContainerIfReachable(name: string): Promise<Container | undefined> {
  return findContainer(name).catch(unlessUnreachable);
}

/** For `catch`: nothing, for an engine that can't be asked; any other error is thrown on. */
export function unlessUnreachable(error: unknown): undefined {
  if (!(error instanceof EngineError)) throw error;
}

/** A variable of a container's environment. */
export async function containerVariable(container: string, variable: string): Promise<string | undefined> {
  const found = await inspect<RawContainer>("container", container);
  const pair = found?.Config?.Env?.find((each) => each.startsWith(`${variable}=`));
  return pair?.slice(variable.length + 1);
}

/** Whether a volume of Docker's, or the folder that stands for one, is there. */
export async function hasVolume(name: string): Promise<boolean> {
  if (name.startsWith("/")) return existsSync(name);
  return (await inspect("volume", name)) !== undefined;
}

/** Free bytes of a folder's disk; undefined when it is not a folder of this machine. */
export function freeBytes(folder: string): number | undefined {
  if (!folder || !existsSync(folder)) return undefined;
  const disk = statfsSync(folder);
  return disk.bavail * disk.bsize;
}

/** Runs `docker` for its output; the caller checks the exit code. */
const docker = (args: readonly string[], timeout = LONGEST_MS) => execa("docker", args, { reject: false, timeout });
type DockerResult = Pick<Awaited<ReturnType<typeof docker>>, "code" | "timedOut" | "stderr">;

/** Like `docker`, but a failure is an error of one line. */
export async function dockerOrFail(args: readonly string[]): Promise<string> {
  const result = await docker(args);
  if (result.exitCode === 0) return result.stdout;
  if (result.code === "ENOENT" || UNREACHABLE.test(result.stderr) || /error during connect/.test(result.stderr))
    throw new EngineError(await explainFailure(result));
  throw new CliError(`docker ${args[0]} failed: ${firstLine(result.stderr)}`);
}

interface RawInfo {
  ServerVersion?: string;
  DockerRootDir?: string;
  Runtimes?: Record<string, unknown>;
  ServerErrors?: string[];
  /** Podman's. */
  version?: { Version?: string };
}

interface RawContainer {
  Id: string;
  Image: string;
  State: { Running: boolean };
  Config?: { Labels?: Record<string, string> | null; Env?: string[] | null };
  HostConfig: { PortBindings?: Record<string, { HostPort: string }[] | null> | null };
}

function readJson<T>(text: string | undefined): T | undefined {
  try {
    return JSON.parse(text ?? "") as T;
  } catch {
    return undefined;
  }
}
