import type { Secrets } from "./config/load.ts";

/** What the program hands to a target beside its settings. */
export interface ProgramContext {
  /** What the names of resources start with. */
  readonly name: string;
  readonly stack: string;
  /** The project's folder. */
  readonly checkout: string;
  readonly preview: boolean;
  readonly secrets: Secrets;
  /** Shows a line of progress. */
  readonly report: (line: string) => void;
}
