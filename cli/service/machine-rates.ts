/** How fast this machine is at what a start does: measured beside a stack's cache, and kept for its later plans. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { shellWord } from "../../infra/command-line.ts";
import type { MachineRates } from "../../infra/plan/startup.ts";
import { isRecord } from "../../infra/readiness/probe-result.ts";
import { atomicWrite } from "../core/atomic-write.ts";
import { commandFor } from "../core/command-line.ts";
import type { Context } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { type Exec, execJson } from "./image-gen.ts";

/** As the service's command names them. */
const NAMES = {
  cores: "cores",
  importSeconds: "import_seconds",
  blake3BytesPerSecond: "blake3_bytes_per_second",
  sha256BytesPerSecond: "sha256_bytes_per_second",
  loadBytesPerSecond: "load_bytes_per_second",
  passBytesPerSecond: "pass_bytes_per_second",
  promptBytesPerSecond: "prompt_bytes_per_second",
} as const satisfies Partial<Record<keyof MachineRates, string>>;

/** The options of `imagegen plan` that concern these. */
interface RateOptions {
  readonly measure?: boolean;
  readonly rates?: string;
  readonly downloadRate?: number;
}

const fileOf = ({ paths, files }: Context) => join(paths.rates, `${files.name}.json`);

/** Those that a plan of this machine goes by: measured now, those of a file, those that are kept, or null. */
export async function machineRates(
  context: Context,
  target: { readonly stack: string; readonly exec: Exec },
  { measure = false, rates }: RateOptions,
): Promise<MachineRates | null> {
  if (measure && rates !== undefined)
    throw new CliError({ message: "--measure and --rates exclude each other.", fix: "leave one out" }, EXIT.usage);
  return measure ? measureRates(context, target) : readRates(context, rates);
}

/** Measures beside the stack's cache, and keeps the result for its later plans. Throws where there is no cache yet. */
export async function measureRates(
  context: Context,
  target: { readonly stack: string; readonly exec: Exec },
): Promise<MachineRates> {
  context.progress.log("Measuring this machine, about half a minute …");
  const measured = await execJson<unknown>(target, ["measure"]);
  const rates = parseRates(measured);
  if (!rates) {
    const fix = commandFor(context.files.name, "up");
    throw new CliError({ message: "This stack's image is too old to measure the machine.", fix });
  }
  atomicWrite(fileOf(context), `${JSON.stringify(measured, null, 2)}\n`);
  return rates;
}

/** Throws where a plan of hosts in AWS is to be made with the rates of this machine. */
export function refuseRates(stack: string, { measure, rates, downloadRate }: RateOptions): void {
  const given = { "--measure": measure, "--rates": rates, "--download-rate": downloadRate };
  const [option] = Object.entries(given).find(([, value]) => value !== undefined) ?? [];
  if (!option) return;
  throw new CliError(
    { message: `${option} is for stacks on this machine.`, fix: commandFor(stack, "plan") },
    EXIT.usage,
  );
}

/** Those of a file as `measureRates` leaves it, or those that are kept for the stack; null without either. */
export function readRates(context: Context, file?: string): MachineRates | null {
  const path = file ?? fileOf(context);
  const measure = "--measure, which leaves such a file in .imagegen/rates";
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (file === undefined) return null;
    const message = `--rates: ${file || "an empty name"} can't be read: ${(error as NodeJS.ErrnoException).code}.`;
    throw new CliError({ message, fix: measure }, EXIT.usage);
  }
  const rates = parseRates(parsed(text));
  if (rates) return rates;
  const fix = file === undefined ? `rm ${shellWord(path)}` : measure;
  throw new CliError({ message: `${path} has no rates of a machine.`, fix }, EXIT.usage);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function parseRates(body: unknown): MachineRates | null {
  if (!isRecord(body) || typeof body.at !== "string" || !TIME.test(body.at)) return null;
  const read = body.read_bytes_per_second ?? null;
  if (read !== null && !isRate(read)) return null;
  const entries = Object.entries(NAMES).map(([key, name]) => [key, body[name]] as const);
  if (!entries.every(([, value]) => isRate(value))) return null;
  return { at: body.at, readBytesPerSecond: read, ...Object.fromEntries(entries) } as MachineRates;
}

const TIME = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;
const isRate = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value) && value > 0;
