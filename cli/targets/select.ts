import type { LocalSettings } from "../../infra/config/settings.ts";
import { commandFor } from "../core/command-line.ts";
import type { Context } from "../core/context.ts";
import { CliError, type ErrorDetail, EXIT, formatDetail } from "../core/exit.ts";
import { readText } from "../stack/config.ts";
import type { LocalMode } from "../stack/files.ts";
import { dockerTarget } from "./docker/target.ts";
import { findDockerTools } from "./docker/up.ts";
import { findMode, lastStarted } from "./find-mode.ts";
import { processTarget } from "./process/target.ts";
import type { Target } from "./target.ts";

/**
 * The target of a stack: AWS by its config, else the place on this machine where it is. Reads config unchecked, so that
 * `doctor` can report its mistakes.
 */
export async function selectTarget(context: Context, wanted: "down" | "other" = "other"): Promise<Target> {
  context.files.requireKnown();
  requireService(context, wanted);
  if (targetsAws(context)) return openAwsTarget(context);
  if (targetsFleet(context)) return openFleetTarget(context);
  const mode = await findMode(context);
  return mode === "docker" ? dockerTarget(context) : processTarget(context, { wasStarted: mode === "process" });
}

/** The target that `up` starts the service in, as `--mode` requests it. Installs Docker mode's missing tools. */
export async function selectUpTarget(context: Context, requested: RequestedMode): Promise<Target> {
  const { files, progress } = context;
  if (targetsAws(context) || targetsFleet(context)) {
    if (requested === "auto") return targetsAws(context) ? openAwsTarget(context) : openFleetTarget(context);
    const fix = commandFor(files.name, "up");
    throw new CliError({ message: `--mode: expected auto for a stack in AWS, got ${requested}.`, fix }, EXIT.usage);
  }
  const settings = files.settings("local");
  const tools = requested === "process" ? undefined : await findDockerTools(context, settings);
  const { mode, note } = chooseMode(requested, tools?.ok === false ? tools.reason : undefined, {
    last: lastStarted(context),
    processCommand: commandFor(files.name, "up --mode process"),
  });
  if (mode === "process") requireProcessMode(settings, files.name);
  if (note) progress.log(note);
  return mode === "docker" ? dockerTarget(context, tools?.ok ? tools.root : undefined) : processTarget(context);
}

function requireProcessMode({ workers }: LocalSettings, stack: string): void {
  requireProcessPlatform(process.platform);
  if (workers === 0) return;
  const message = `The stack ${stack} has ${workers} workers, a queue and a gateway, which are containers.`;
  const fix = `start Docker, or for one service: ${commandFor(stack, "up --config workers=0 --mode process")}`;
  throw new CliError({ message, fix }, EXIT.missingPrerequisite);
}

/** Says what works on Windows before gigabytes of Python packages are installed there. */
export function requireProcessPlatform(platform: NodeJS.Platform): void {
  if (platform !== "win32") return;
  const message =
    "The service does not run as a process of Windows; it runs in Docker Desktop, or in WSL 2 as on Linux.";
  const fix = "start Docker Desktop, or wsl --install, and the same command in WSL";
  throw new CliError({ message, fix }, EXIT.missingPrerequisite);
}

/** A stack with what deployments from CI need has no service: commands of its own make and check it, and Pulumi removes it. Throws a CliError. */
export function requireService(context: Context, wanted: "up" | "down" | "other"): void {
  if (!targetsCi(context)) return;
  const { name } = context.files;
  const message = `The stack ${name} is no service: it has the bucket, the key and the roles of deployments from CI.`;
  // Its bucket and key are protected, and stay.
  const destroy = `pulumi destroy --exclude-protected --stack ${name}`;
  const fix = { up: commandFor(name, "ci setup"), down: destroy, other: commandFor(name, "ci doctor") }[wanted];
  throw new CliError({ message, fix }, EXIT.usage);
}

/** Throws a CliError for a stack that is not for deployments from CI. */
export function requireCi(context: Context): void {
  context.files.requireKnown();
  if (targetsCi(context)) return;
  const { name } = context.files;
  const target = readText(context.files.config(), "target") ?? "local";
  const message = `The stack ${name} has target ${target}; setup is for one with target ci.`;
  throw new CliError({ message, fix: commandFor("ci", "ci setup") }, EXIT.usage);
}

/** By config alone. */
export function targetsCi({ files }: Context): boolean {
  return readText(files.config(), "target") === "ci";
}

/** By config alone. */
export function targetsAws({ files }: Context): boolean {
  return readText(files.config(), "target") === "aws";
}

/** By config alone. */
export function targetsFleet({ files }: Context): boolean {
  return readText(files.config(), "target") === "fleet";
}

async function openFleetTarget(context: Context): Promise<Target> {
  const { fleetTarget } = await import("./fleet/target.ts");
  return fleetTarget(context);
}

/** Loaded here because the AWS SDK takes a second, which only the stacks that need it should pay. */
async function openAwsTarget(context: Context): Promise<Target> {
  const { awsTarget } = await import("./aws/target.ts");
  return awsTarget(context);
}

export const MODES = ["auto", "docker", "process"] as const;
export type RequestedMode = (typeof MODES)[number];

/**
 * The mode, from the requested one and the first thing that Docker mode lacks (undefined: nothing), with a note if it is
 * not the mode that a user would expect. Throws a CliError when Docker is not available and was requested, or has the
 * stack's service and cache already.
 */
export function chooseMode(
  requested: RequestedMode,
  missing: ErrorDetail | undefined,
  { last, processCommand }: { readonly last: LocalMode | undefined; readonly processCommand: string },
): { mode: LocalMode; note?: string } {
  if (requested === "process") return { mode: "process" };
  if (missing === undefined) return { mode: "docker" };
  if (requested === "docker") throw new CliError(missing, EXIT.missingPrerequisite);
  if (last === "docker") {
    const message = `The stack runs in Docker, and its cache is there. ${missing.message}`;
    const elsewhere = `${processCommand}, which has a cache of its own`;
    throw new CliError(
      { message, fix: missing.fix ? `${missing.fix}; or ${elsewhere}` : elsewhere },
      EXIT.missingPrerequisite,
    );
  }
  const note = `Docker with Pulumi is not available: ${formatDetail(missing)}\nServing as a process of this machine instead; its cache is .imagegen/data.`;
  return { mode: "process", note };
}
