import type { Command } from "commander";
import { type CommonOptions, openContext, print } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { makePicture, type PictureRequest } from "../service/images.ts";
import { isAws } from "../targets/aws/stack/target.ts";
import { locateRunning } from "../targets/locate.ts";

interface PictureOptions extends CommonOptions {
  readonly negative?: string;
  readonly size?: string;
  readonly seed?: number;
  readonly steps?: number;
  readonly guidance?: number;
  readonly output?: string;
}

const EXAMPLES = `
Examples:
  imagegen picture "a harbour in fog" --seed 7
  imagegen picture "a red bicycle" --size 768x768 --steps 20 --output bicycle.png`;

export function addPicture(program: Command, signal: AbortSignal): void {
  program
    .command("picture")
    .description("make one picture with the running service")
    .argument("<prompt>", "what it shows")
    .option("--negative <text>", "what it must not show")
    .option("--size <WxH>", "width and height in pixels")
    .option("--seed <number>", "the same seed makes the same picture", parseNumber("--seed"))
    .option("--steps <number>", "more steps, more detail, more time", parseNumber("--steps"))
    .option("--guidance <number>", "how closely the prompt is followed", parseNumber("--guidance"))
    .option("-o, --output <file>", "where to save it (default: a name of its own in .imagegen/pictures)")
    .addHelpText("after", EXAMPLES)
    .action(async (prompt: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<PictureOptions>();
      const context = openContext(options, signal);
      const service = isAws(context)
        ? await (await import("../targets/aws/host/service.ts")).openService(context)
        : await locateRunning(context);
      context.progress.live(`making a picture of ${prompt}`);
      const target = { folder: context.paths.pictures, file: options.output };
      const making = makePicture(service.url, requestOf(prompt, options), target, signal);
      const picture = await making.finally(() => "tunnel" in service && service.tunnel?.close());
      print(context, picture, ({ path, seconds, seed }) => `${path} (${seconds.toFixed(1)} s, seed ${seed})`);
    });
}

function requestOf(prompt: string, options: PictureOptions): PictureRequest {
  const { negative, size, seed, steps, guidance } = options;
  return {
    prompt,
    ...(negative === undefined ? {} : { negative_prompt: negative }),
    ...(size === undefined ? {} : { size }),
    ...(seed === undefined ? {} : { seed }),
    ...(steps === undefined ? {} : { steps }),
    ...(guidance === undefined ? {} : { guidance_scale: guidance }),
  };
}

function parseNumber(flag: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isFinite(value)) return value;
    throw new CliError(`${flag}: expected a number, got "${text}".`, EXIT.usage);
  };
}
