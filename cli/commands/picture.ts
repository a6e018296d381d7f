import { type Command, Option } from "commander";
import { action, print } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { anyNumber, wholeBetween, wholeNumber } from "../core/options.ts";
import { requireViewer, showImage } from "../core/terminal-image.ts";
import { formatOf } from "../service/image-files.ts";
import { IMAGE_FORMATS, type ImageFormat, type Lora, parseLora } from "../service/image-request.ts";
import { selectTarget } from "../targets/select.ts";

interface Options {
  readonly negative?: string;
  readonly size?: string;
  readonly count?: number;
  readonly seed?: number;
  readonly steps?: number;
  readonly quality?: string;
  readonly guidance?: number;
  readonly scheduler?: string;
  readonly lora?: readonly Lora[];
  readonly edit?: string;
  readonly mask?: string;
  readonly strength?: number;
  readonly format?: ImageFormat;
  readonly compression?: number;
  readonly metadata?: boolean;
  readonly output?: string;
  readonly show?: boolean;
  readonly timeout?: number;
}

const HELP = `
Examples:
  imagegen picture "a harbour in fog" --seed 7
  imagegen picture "a red bicycle" --size 768x768 --steps 20 --output bicycle.jpg
  imagegen picture "the same house in winter" --edit house.png --strength 0.6
  imagegen picture "a red door" --edit house.png --mask door.png -n 4
  imagegen picture "a lighthouse" --stack aws-fleet    a job in the queue; waits for its result, and for a host before that`;

export function addPicture(program: Command, signal: AbortSignal): void {
  program
    .command("picture")
    .description("make pictures with the running service")
    .argument("<prompt>", "what they show")
    .option("--negative <text>", "what they must not show")
    .option("--size <WxH>", "width and height in pixels")
    .option("-n, --count <number>", "how many pictures", wholeNumber("--count"))
    .option("--seed <number>", "the same seed makes the same picture", wholeNumber("--seed"))
    .option("--steps <number>", "more steps: more detail, more time", wholeNumber("--steps"))
    .option("--quality <name>", "steps by a name of OpenAI's: low, medium, high, xhigh, max")
    .option("--guidance <number>", "how closely to follow the prompt", anyNumber("--guidance"))
    .option("--scheduler <name>", "how the steps are made; GET /v1/models lists the names")
    .option("--lora <name[=weight]>", "LoRA of the service; more than one is possible", parseLora)
    .option("--edit <file>", "picture to start from")
    .option("--mask <file>", "PNG of its size: where it is transparent, the picture is repainted")
    .option("--strength <number>", "above 0 up to 1: how much of the picture is repainted", anyNumber("--strength"))
    .addOption(new Option("--format <name>", "default: by the name of --output, else png").choices(IMAGE_FORMATS))
    .option("--compression <number>", "quality of a JPEG or WebP, 0 to 100", wholeNumber("--compression"))
    .option("--metadata", "keep prompt and settings in the PNG")
    .option("-o, --output <file>", "where to save it (default: a new file in .imagegen/pictures); several have numbers")
    .option(
      "--timeout <seconds>",
      "how long to wait (default: 900 for each picture; for a fleet 1800, a host's start included)",
      // What a timer can wait for.
      wholeBetween(1, 2_000_000, "1800")("--timeout"),
    )
    .option("--show", "show the pictures in this terminal (kitty, iTerm2, or by chafa)")
    .addHelpText("after", HELP)
    .action(
      action<Options, [string]>(signal, async (context, options, prompt) => {
        const { edit, mask, output, show, timeout } = options;
        for (const option of ["mask", "strength"] as const) {
          if (options[option] === undefined || edit !== undefined) continue;
          throw new CliError({ message: `--${option} is for --edit.`, fix: `--edit <file> --${option} …` }, EXIT.usage);
        }
        const output_format = formatOf(output, options.format);
        const viewer = show ? requireViewer(output_format, process.stdout.isTTY && !context.json) : undefined;
        const request = {
          prompt,
          output_format,
          n: options.count,
          size: options.size,
          quality: options.quality,
          negative_prompt: options.negative,
          seed: options.seed,
          steps: options.steps,
          guidance_scale: options.guidance,
          scheduler: options.scheduler,
          loras: options.lora,
          strength: options.strength,
          output_compression: options.compression,
          metadata: options.metadata,
        };
        const edited = edit === undefined ? undefined : { image: edit, mask };
        const made = await (await selectTarget(context)).images(request, { edited, output, timeout });
        print(context, made, ({ images, seconds }) =>
          images
            .map(({ path, seed }, index) => `${path} (${index === 0 ? `${seconds.toFixed(1)} s, ` : ""}seed ${seed})`)
            .join("\n"),
        );
        if (viewer) for (const { path } of made.images) await showImage(path, viewer);
      }),
    );
}
