/** Where images are saved, and in which format. */
import { extname } from "node:path";
import { CliError, EXIT } from "../core/exit.ts";
import { requireOutput } from "../core/output-file.ts";
import type { ImageFormat } from "./image-request.ts";

const FORMATS: Readonly<Record<string, ImageFormat>> = {
  ".png": "png",
  ".jpg": "jpeg",
  ".jpeg": "jpeg",
  ".webp": "webp",
};

/** The format that the name of `output` says, else `format`, else PNG. Throws a CliError where both differ. */
export function formatOf(output: string | undefined, format: ImageFormat | undefined): ImageFormat {
  const extension = extname(output ?? "").toLowerCase();
  const named = FORMATS[extension];
  if (extension !== "" && !named) {
    const fix = `name it ${output?.slice(0, -extension.length)}.png, .jpg or .webp`;
    throw new CliError({ message: `${output}: there is no format for ${extension}.`, fix }, EXIT.usage);
  }
  if (named && format && named !== format) {
    const message = `--format ${format} and --output ${output} name two formats.`;
    throw new CliError({ message, fix: "leave --format out" }, EXIT.usage);
  }
  return named ?? format ?? "png";
}

/** The files of `count` images: `output`, with a number before its ending where there are several. Each was found writable. */
export function outputFiles(output: string, count: number): string[] {
  const extension = extname(output);
  const stem = output.slice(0, output.length - extension.length);
  const files =
    count === 1 ? [output] : Array.from({ length: count }, (_, index) => `${stem}-${index + 1}${extension}`);
  for (const file of files) requireOutput(file);
  return files;
}

/** A name that sorts by time: 20261122-164501-seed42.png. */
export function imageName(time: Date, seed: number | null, format: ImageFormat): string {
  const stamp = time.toISOString().replace(/[-:]/g, "").replace("T", "-").slice(0, 15);
  return `${stamp}${seed === null ? "" : `-seed${seed}`}.${format === "jpeg" ? "jpg" : format}`;
}
