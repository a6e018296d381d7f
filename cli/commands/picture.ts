import type { Command } from "commander";
import { action, print } from "../core/context.ts";
import { anyNumber } from "../core/options.ts";
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
        const { negative, size, seed, steps, guidance, output } = options;
        const request = { prompt, negative_prompt: negative, size, seed, steps, guidance_scale: guidance };
        const image = await (await selectTarget(context)).images(request, output);
        print(context, image, ({ path, seconds, seed }) => `${path} (${seconds.toFixed(1)} s, seed ${seed})`);
      }),
    );
}
