import { CliError, EXIT } from "../core/exit.ts";

/** How the service runs on this machine: a container made by Pulumi, or a plain process. */
export type Mode = "docker" | "process";
export type AskedMode = Mode | "auto";

export interface ModeChoice {
  readonly mode: Mode;
  /** What the user should know of the choice; undefined when it is the one that he, or nobody, would question. */
  readonly note?: string;
}

/**
 * The mode, from what was asked and the first thing that Docker mode lacks (undefined: nothing).
 * Throws a CliError when Docker was asked for and can't be had.
 */
export function chooseMode(asked: AskedMode, lack: string | undefined): ModeChoice {
  if (asked === "process") return { mode: "process" };
  if (lack === undefined) return { mode: "docker" };
  if (asked === "docker") throw new CliError(lack, EXIT.machine);
  return {
    mode: "process",
    note: `Docker with Pulumi can't be used here: ${lack}\nServing as a process of this machine instead; its cache is .imagegen/data.`,
  };
}

export function parseMode(text: string): AskedMode {
  if (text === "auto" || text === "docker" || text === "process") return text;
  throw new CliError(`--mode: expected auto, docker or process, got "${text}".`, EXIT.usage);
}
