/** A command line as it is printed. Placeholders stand in angle brackets; "…" stands for what is left out. */
export interface Printed {
  /** File and line. */
  readonly where: string;
  readonly command: string;
  /** Where its reader is: at a shell on their own machine, or in the service's container. */
  readonly reader: "shell" | "container";
  /** In a sentence that speaks of the command: its name alone may stand there, without its arguments. */
  readonly mention?: boolean;
  /** In the examples of a help text, which are written for no stack. */
  readonly example?: boolean;
}

/** One simple command of a command line, without quotes. */
export interface SimpleCommand {
  readonly variables: Readonly<Record<string, string>>;
  readonly words: readonly string[];
}
