import type { Command } from "commander";
import { action, type Context } from "../../core/context.ts";
import { CliError } from "../../core/exit.ts";
import { type CommandResult, toExitCode } from "../../service/image-gen.ts";
import { selectTarget } from "../../targets/select.ts";
import { modelId, revision as revisionName } from "./options.ts";

/** Runs a command of `image-gen`; its output is the result and its exit code that of the command. */
async function passThrough(context: Context, args: readonly string[]): Promise<void> {
  const target = await selectTarget(context);
  printOutput(context, await target.exec([...args, ...(context.json ? ["--json"] : [])], { ownContainer: true }));
}

/**
 * Prints what `image-gen` printed. Throws a CliError with `message` if it failed; "": its own output has the reason. With
 * `--json` that output is the one document, if there is any.
 */
export function printOutput({ json }: Pick<Context, "json">, { exitCode, stdout }: CommandResult, message = ""): void {
  if (stdout !== "") process.stdout.write(`${stdout}\n`);
  if (exitCode === 0) return;
  const silent = `image-gen failed (exit code ${exitCode}) and printed nothing; its reason is above.`;
  throw new CliError(json ? (stdout === "" ? message || silent : "") : message, toExitCode(exitCode));
}

const VERIFY_HELP = `
Examples:
  imagegen cache verify            hashes every file; exit code 3 when one is damaged or missing, 1 when one can't be read or has no known hash
  imagegen cache verify --repair   sets the damaged ones aside as well, which the next start downloads again`;

export function addVerify(cache: Command, signal: AbortSignal): void {
  cache
    .command("verify")
    .description("hash every file of the cache and compare it with the model's manifest")
    .option("--model <id>", "only this model", modelId("--model"))
    .option("--repair", "set damaged files aside, so that they are downloaded again")
    .addHelpText("after", VERIFY_HELP)
    .action(
      action<{ model?: string; repair?: boolean }, []>(signal, (context, { model, repair }) =>
        passThrough(context, ["verify", ...(model ? ["--model", model] : []), ...(repair ? ["--repair"] : [])]),
      ),
    );
}

const PREFETCH_HELP = `
Examples:
  imagegen cache prefetch                                              the stack's own model
  imagegen cache prefetch --model stable-diffusion-v1-5/stable-diffusion-v1-5`;

export function addPrefetch(cache: Command, signal: AbortSignal): void {
  cache
    .command("prefetch")
    .description("download a model into the cache without serving it")
    .option("--model <id>", "another model than the stack's", modelId("--model"))
    .option("--revision <revision>", "a commit, branch or tag of it", revisionName("--revision"))
    .addHelpText("after", PREFETCH_HELP)
    .action(
      action<{ model?: string; revision?: string }, []>(signal, (context, { model, revision }) => {
        const options = [...(model ? ["--model", model] : []), ...(revision ? ["--revision", revision] : [])];
        return passThrough(context, ["prefetch", ...options]);
      }),
    );
}
