import type { Command } from "commander";
import { action, print } from "../core/context.ts";
import { anyNumber } from "../core/options.ts";
import type { ImageRequest } from "../service/images.ts";
import { selectTarget } from "../targets/select.ts";

interface Options {
  readonly negative?: string;
  readonly size?: string;
  readonly seed?: number;
  readonly steps?: number;
  readonly guidance?: number;
  readonly output?: string;
}

const HELP = `
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
    .option("--seed <number>", "the same seed makes the same picture", anyNumber("--seed"))
    .option("--steps <number>", "more steps: more detail, more time", anyNumber("--steps"))
    .option("--guidance <number>", "how closely to follow the prompt", anyNumber("--guidance"))
    .option("-o, --output <file>", "where to save it (default: a new file in .imagegen/pictures)")
    .addHelpText("after", HELP)
    .action(
      action<Options, [string]>(signal, async (context, options, prompt) => {
        const target = await selectTarget(context);
        const image = await target.images(requestOf(prompt, options), options.output);
        print(context, image, ({ path, seconds, seed }) => `${path} (${seconds.toFixed(1)} s, seed ${seed})`);
      }),
    );
}

function requestOf(prompt: string, { negative, size, seed, steps, guidance }: Options): ImageRequest {
  return {
    prompt,
    ...(negative === undefined ? {} : { negative_prompt: negative }),
    ...(size === undefined ? {} : { size }),
    ...(seed === undefined ? {} : { seed }),
    ...(steps === undefined ? {} : { steps }),
    ...(guidance === undefined ? {} : { guidance_scale: guidance }),
  };
}
