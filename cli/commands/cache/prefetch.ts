import type { Command } from "commander";
import { action } from "../../core/context.ts";
import { passThrough } from "./pass-through.ts";

const HELP = `
Examples:
  imagegen cache prefetch                                              the stack's own model
  imagegen cache prefetch --model stable-diffusion-v1-5/stable-diffusion-v1-5`;

export function addPrefetch(cache: Command, signal: AbortSignal): void {
  cache
    .command("prefetch")
    .description("download a model into the cache without serving it")
    .option("--model <id>", "another model than the stack's")
    .option("--revision <revision>", "a commit, branch or tag of it")
    .addHelpText("after", HELP)
    .action(
      action<{ model?: string; revision?: string }, []>(signal, (context, { model, revision }) => {
        const options = [...(model ? ["--model", model] : []), ...(revision ? ["--revision", revision] : [])];
        return passThrough(context, ["prefetch", ...options]);
      }),
    );
}
