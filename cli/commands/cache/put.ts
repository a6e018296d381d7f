import type { Command } from "commander";
import { formatBytes } from "../../../infra/units.ts";
import { commandFor } from "../../core/command-line.ts";
import { action, print } from "../../core/context.ts";
import { CliError, EXIT } from "../../core/exit.ts";
import { type PutResult, putModel } from "../../targets/own-model.ts";
import { selectTarget } from "../../targets/select.ts";
import { requirePlace } from "./mirror.ts";

const HELP = `
Examples:
  imagegen cache put ~/models/my-photos.safetensors --stack aws-volume     into the stack's modelMirror
  imagegen cache put ~/models/my-photos s3://bucket/prefix --stack aws-fleet
  imagegen cache put ~/models/my-photos --name acme/photos --stack aws-volume`;

export function addPut(cache: Command, signal: AbortSignal): void {
  cache
    .command("put")
    .description("send a model or LoRA of your own to the bucket that a stack's hosts download from (modelMirror)")
    .argument("<path>", "a diffusers directory, or a .safetensors checkpoint or LoRA, of this machine")
    .argument("[place]", "s3://bucket/prefix (default: the stack's modelMirror)")
    .option("--name <id>", "by which it is served, <organisation>/<name> (default: own/<name of the file>)", name)
    .addHelpText("after", HELP)
    .action(
      action<{ name?: string }, [string, string | undefined]>(signal, async (context, options, path, given) => {
        const { host, fleet } = await selectTarget(context);
        if (!host && !fleet) {
          const message = `The stack ${context.files.name} runs on this machine, where its service reads the model itself.`;
          throw new CliError({ message, fix: commandFor(context.files.name, "up --model <path>") }, EXIT.usage);
        }
        const fix = commandFor(context.files.name, "cache put <path> s3://<bucket>/<prefix>");
        const place = requirePlace(context, given, fix);
        print(context, await putModel(context, { path, place, name: options.name }), describePut);
      }),
    );
}

function name(text: string): string {
  if (/^(?!.*(?:\.\.|--))[A-Za-z0-9][A-Za-z0-9._-]{0,95}\/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$/.test(text)) return text;
  const message = `--name: expected <organisation>/<name>, got "${text}".`;
  throw new CliError({ message, fix: "--name acme/photos" }, EXIT.usage);
}

const describePut = ({ model, revision, bytes, place, serve }: PutResult): string =>
  `${model.includes("@") ? model : `${model} at ${revision}`}: ${formatBytes(bytes)} in ${place}\nServe it: ${serve}`;
