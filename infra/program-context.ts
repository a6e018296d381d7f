import type * as pulumi from "@pulumi/pulumi";

/** What the program hands to a target beside its settings. */
export interface ProgramContext {
  /** What the names of resources start with. */
  readonly name: string;
  readonly stack: string;
  readonly preview: boolean;
  readonly hfToken: pulumi.Output<string> | undefined;
  /** Shows a line of progress. */
  readonly report: (line: string) => void;
}
