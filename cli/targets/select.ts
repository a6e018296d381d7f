import { existsSync } from "node:fs";
import { KEYS } from "../../infra/config/schema.ts";
import { commandFor } from "../core/command-line.ts";
import type { Context } from "../core/context.ts";
import { CliError, type ErrorDetail, EXIT, formatDetail } from "../core/exit.ts";
import { readText } from "../stack/config.ts";
import { findContainer, hasVolume } from "../toolchain/docker.ts";
import { venvProgram } from "../toolchain/uv.ts";
import { dockerTarget } from "./docker/target.ts";
import { findDockerTools } from "./docker/up.ts";
import { readRecord } from "./process/record.ts";
import { processTarget } from "./process/target.ts";
import type { Target } from "./target.ts";

/**
 * The target of a stack: AWS by its config; on this machine the running process, else Docker where a container or volume of
 * the stack is, else the files of process mode. The only place that decides this. Reads config unchecked, so that `doctor`
 * can report its mistakes.
 */
export async function selectTarget(context: Context): Promise<Target> {
  const { paths, files } = context;
  files.requireKnown();
  if (targetsAws(context)) return openAwsTarget(context);
  if (readRecord(paths.processFile)?.stack === files.name) return processTarget(context);
  const config = files.lastConfig();
  const name = (key: "containerName" | "volumeName") => readText(config, key) ?? KEYS[key].default;
  const usesDocker = (await findContainer(name("containerName"))) || (await hasVolume(name("volumeName")));
  if (!usesDocker && existsSync(venvProgram(paths.venv, "python"))) return processTarget(context);
  return dockerTarget(context);
}

/** The target that `up` starts the service in, as `--mode` requests it. Installs Docker mode's missing tools. */
export async function selectUpTarget(context: Context, requested: RequestedMode): Promise<Target> {
  if (targetsAws(context)) {
    if (requested === "auto") return openAwsTarget(context);
    const fix = commandFor(context.files.name, "up");
    throw new CliError({ message: `--mode: expected auto for a stack in AWS, got ${requested}.`, fix }, EXIT.usage);
  }
  const settings = context.files.settings("local");
  const tools = requested === "process" ? undefined : await findDockerTools(context, settings);
  const { mode, note } = chooseMode(requested, tools?.ok === false ? tools.reason : undefined);
  if (note) context.progress.log(note);
  return mode === "docker" ? dockerTarget(context, tools?.ok ? tools.root : undefined) : processTarget(context);
}

function targetsAws({ files }: Context): boolean {
  return readText(files.config(), "target") === "aws";
}

/** Loaded here because the AWS SDK takes a second, which only the stacks that need it should pay. */
async function openAwsTarget(context: Context): Promise<Target> {
  const { awsTarget } = await import("./aws/target.ts");
  return awsTarget(context);
}

/** How the service runs on this machine: a container made by Pulumi, or a plain process. */
type LocalMode = "docker" | "process";
export const MODES = ["auto", "docker", "process"] as const;
export type RequestedMode = (typeof MODES)[number];

/**
 * The mode, from the requested one and the first thing that Docker mode lacks (undefined: nothing), with a note if it is
 * not the mode that a user would expect.
 * Throws a CliError when Docker was requested and is not available.
 */
export function chooseMode(
  requested: RequestedMode,
  missing: ErrorDetail | undefined,
): { mode: LocalMode; note?: string } {
  if (requested === "process") return { mode: "process" };
  if (missing === undefined) return { mode: "docker" };
  if (requested === "docker") throw new CliError(missing, EXIT.missingPrerequisite);
  const note = `Docker with Pulumi is not available: ${formatDetail(missing)}\nServing as a process of this machine instead; its cache is .imagegen/data.`;
  return { mode: "process", note };
}
