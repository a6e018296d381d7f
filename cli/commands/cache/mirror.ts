import type { Command } from "commander";
import { commandFor } from "../../core/command-line.ts";
import { action, type Context } from "../../core/context.ts";
import { CliError, EXIT } from "../../core/exit.ts";
import { readText } from "../../stack/config.ts";
import { selectTarget } from "../../targets/select.ts";
import { modelId, revision as revisionName } from "./options.ts";
import { printOutput } from "./pass-through.ts";

const HELP = `
Examples:
  imagegen cache mirror s3://bucket/prefix                         the stack's own model, with its VAE, safety checker and LoRAs
  imagegen cache mirror --stack aws-fleet                          into the fleet's modelMirror, by way of this machine
  imagegen cache mirror s3://bucket/prefix --model stable-diffusion-v1-5/stable-diffusion-v1-5`;

export function addMirror(cache: Command, signal: AbortSignal): void {
  cache
    .command("mirror")
    .description("copy a model, verified, to a bucket that it is downloaded from in place of the Hub (modelMirror)")
    .argument("[place]", "s3://bucket/prefix (default: the stack's modelMirror)")
    .option("--model <id>", "another model than the stack's", modelId("--model"))
    .option("--revision <revision>", "a commit, branch or tag of it", revisionName("--revision"))
    .addHelpText("after", HELP)
    .action(
      action<{ model?: string; revision?: string }, [string | undefined]>(signal, async (context, options, given) => {
        const { fleet, exec } = await selectTarget(context);
        const place = requirePlace(
          context,
          given,
          commandFor(context.files.name, "cache mirror s3://<bucket>/<prefix>"),
        );
        const { model, revision } = options;
        if (fleet) return printOutput(context, await fleet.mirror({ place, model, revision }));
        const which = [...(model ? ["--model", model] : []), ...(revision ? ["--revision", revision] : [])];
        const args = ["mirror", ...which, "--output", place, ...(context.json ? ["--json"] : [])];
        printOutput(context, await exec(args, { ownContainer: true }));
      }),
    );
}

/** Throws a CliError for what is no place in S3: a folder is one of a container. */
export function requirePlace({ files }: Context, given: string | undefined, fix: string): string {
  const place = given ?? readText(files.config(), "modelMirror");
  if (place !== undefined && /^s3:\/\/[a-z0-9][a-z0-9.-]+(\/[^\s]*)?$/.test(place)) return place;
  const message = `${given === undefined ? "modelMirror" : "The mirror"}: expected s3://<bucket>/<prefix>, got ${place ? `"${place}"` : "nothing"}.`;
  throw new CliError({ message, fix }, EXIT.usage);
}
