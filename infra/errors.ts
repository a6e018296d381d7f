import * as pulumi from "@pulumi/pulumi";

/**
 * A mistake that the user can fix. The engine prints the message alone, without a stack trace.
 * Several problems found together are one error, one line each.
 */
export class UserError extends pulumi.RunError {
  readonly problems: readonly string[];

  constructor(problems: string | readonly string[]) {
    const list = typeof problems === "string" ? [problems] : problems;
    super(list.join("\n"));
    this.problems = list;
  }
}
