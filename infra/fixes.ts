import { imagegenCommand, imagegenReader, READER_VARIABLE } from "./command-line.ts";
import { type Fix, imagegenFix, type Problem, pulumiFix, wordForPulumi } from "./config/problem.ts";

/** How messages of the program word their fixes, for those who run it: users of a checkout, or of a component. */
export interface Fixes {
  /** A mistake in the settings, with its fix. */
  readonly problem: (problem: Problem) => string;
  /** Other values of settings. */
  readonly set: (...fixes: readonly Fix[]) => string;
  /** The same in what `imagegen` shows as it is. */
  readonly setByAny: (fix: Fix) => string;
  /** What the service's own messages begin their commands with. */
  readonly serviceCommand: string;
  readonly host: HostFixes;
}

/** What to do about a host in AWS. */
interface HostFixes {
  /** Shows why it is not ready. */
  readonly examine: string;
  /** Shows whether it runs. */
  readonly status: string;
  /** Starts it on other hardware. */
  readonly restart: string;
  /** Makes room on the data volume. */
  readonly makeRoom: string;
  /** `increase`: the command that asks AWS for a higher quota. */
  readonly raiseQuota: (increase: string) => string;
  /** Moves the data volume. */
  readonly move: (zone: string) => string;
  /** In what the host's scripts print, texts and what to print instead of them. */
  readonly inScripts: readonly (readonly [text: string, instead: string])[];
}

/** For the program of a checkout. It does not know whether `pulumi` or `imagegen` started it. */
export function checkoutFixes(stack: string): Fixes {
  return {
    problem: wordForPulumi,
    set: (...fixes) => fixes.map((fix) => pulumiFix(fix)).join(" && "),
    setByAny: (fix) => `${pulumiFix(fix)}, or ${imagegenFix(fix, { stack, originOf: () => "kept" })}`,
    serviceCommand: imagegenReader(stack)[READER_VARIABLE] ?? "",
    host: {
      examine: `${imagegenCommand(stack, "logs")}, ${imagegenCommand(stack, "doctor")}`,
      status: imagegenCommand(stack, "status"),
      restart: `${imagegenCommand(stack, "stop")}, then ${imagegenCommand(stack, "start")}`,
      makeRoom: imagegenCommand(stack, "cache gc --keep-free 20GB"),
      raiseQuota: () => `${imagegenCommand(stack, "doctor")} shows how to raise it`,
      move: (zone) => imagegenCommand(stack, `move-az ${zone}`),
      inScripts: [],
    },
  };
}
