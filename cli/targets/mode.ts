import { CliError, type ErrorDetail, EXIT, formatDetail } from "../core/exit.ts";

/** How the service runs on this machine: a container made by Pulumi, or a plain process. */
type LocalMode = "docker" | "process";
export type RequestedMode = LocalMode | "auto";

export interface ModeChoice {
  readonly mode: LocalMode;
  /** Why it is not the mode that a user would expect. */
  readonly note?: string;
}

/**
 * The mode, from the requested one and the first thing that Docker mode lacks (undefined: nothing).
 * Throws a CliError when Docker was requested and is not available.
 */
export function chooseMode(requested: RequestedMode, missing: ErrorDetail | undefined): ModeChoice {
  if (requested === "process") return { mode: "process" };
  if (missing === undefined) return { mode: "docker" };
  if (requested === "docker") throw new CliError(missing, EXIT.missingPrerequisite);
  const note = `Docker with Pulumi is not available: ${formatDetail(missing)}\nServing as a process of this machine instead; its cache is .imagegen/data.`;
  return { mode: "process", note };
}

export function parseMode(text: string): RequestedMode {
  if (text === "auto" || text === "docker" || text === "process") return text;
  throw new CliError(`--mode: expected auto, docker or process, got "${text}".`, EXIT.usage);
}
