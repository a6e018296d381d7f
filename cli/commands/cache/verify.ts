import type { Command } from "commander";
import { type CommonOptions, openContext } from "../../core/context.ts";
import { passThrough } from "./pass-through.ts";

interface VerifyOptions extends CommonOptions {
  readonly model?: string;
}

const EXAMPLES = `
Examples:
  imagegen cache verify          hashes every file; exit code 3 when one is damaged or missing`;

export function addVerify(cache: Command, signal: AbortSignal): void {
  cache
    .command("verify")
    .description("hash every file of the cache and compare it with what it must be")
    .option("--model <id>", "only this model")
    .addHelpText("after", EXAMPLES)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<VerifyOptions>();
      const args = ["verify", ...(options.model ? ["--model", options.model] : [])];
      await passThrough(openContext(options, signal), args);
    });
}
