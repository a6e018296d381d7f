import type { Command } from "commander";
import { type CommonOptions, openContext } from "../../core/context.ts";
import { passThrough } from "./pass-through.ts";

interface PrefetchOptions extends CommonOptions {
  readonly model?: string;
  readonly revision?: string;
}

const EXAMPLES = `
Examples:
  imagegen cache prefetch                                              the stack's own model
  imagegen cache prefetch --model stable-diffusion-v1-5/stable-diffusion-v1-5`;

export function addPrefetch(cache: Command, signal: AbortSignal): void {
  cache
    .command("prefetch")
    .description("download a model into the cache without serving it")
    .option("--model <id>", "another model than the stack's")
    .option("--revision <revision>", "a commit, branch or tag of it")
    .addHelpText("after", EXAMPLES)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<PrefetchOptions>();
      const model = options.model ? ["--model", options.model] : [];
      const revision = options.revision ? ["--revision", options.revision] : [];
      await passThrough(openContext(options, signal), ["prefetch", ...model, ...revision]);
    });
}
