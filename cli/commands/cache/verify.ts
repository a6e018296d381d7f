import type { Command } from "commander";
import { action } from "../../core/context.ts";
import { passThrough } from "./pass-through.ts";

const HELP = `
Examples:
  imagegen cache verify          hashes every file; exit code 3 when one is damaged or missing`;

export function addVerify(cache: Command, signal: AbortSignal): void {
  cache
    .command("verify")
    .description("hash every file of the cache and compare it with the model's manifest")
    .option("--model <id>", "only this model")
    .addHelpText("after", HELP)
    .action(
      action<{ model?: string }, []>(signal, (context, { model }) =>
        passThrough(context, ["verify", ...(model ? ["--model", model] : [])]),
      ),
    );
}
