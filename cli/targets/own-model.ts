import { existsSync } from "node:fs";
import { basename } from "node:path";
import { shellWord } from "../../infra/command-line.ts";
import { LORA_NAME, lorasIn } from "../../infra/config/loras.ts";
import { commandFor, readerEnvironment } from "../core/command-line.ts";
import type { Context } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { userPath } from "../core/user-path.ts";
import { toExitCode } from "../service/image-gen.ts";
import { readText } from "../stack/config.ts";
import { runMirrorScript } from "./mirror-script.ts";

/** What `cache put` has put into the mirror. */
export interface PutResult {
  readonly stack: string;
  /** What `modelId` has to be for it to be served; of a LoRA, what `loras` has to name. */
  readonly model: string;
  /** What `modelRevision` has to be, and is in the name of a LoRA: it follows from the files' contents. */
  readonly revision: string;
  readonly bytes: number;
  /** Where the files are. */
  readonly place: string;
  /** The command that serves it. */
  readonly serve: string;
}

/** What `image-gen mirror` prints, as far as it is used here. */
interface Exported {
  readonly revision: string;
  readonly bytes: number;
  readonly directory: string;
  readonly component?: string;
}

interface PutOptions {
  /** A directory, a checkpoint or a LoRA of this machine, as the user types it. */
  readonly path: string;
  /** `s3://bucket/prefix`. */
  readonly place: string;
  /** `<organisation>/<name>`; absent: one that follows from the path. */
  readonly name?: string | undefined;
}

/** Hashes a model of the user's and sends it to the stack's mirror, from which its hosts download and verify it like any other. */
export async function putModel(context: Context, { path, place, name }: PutOptions): Promise<PutResult> {
  const { files, progress, json } = context;
  if (path.trim() === "") {
    throw new CliError({ message: "The path is empty.", fix: commandFor(files.name, "cache put <path>") }, EXIT.usage);
  }
  const own = userPath(path);
  if (!existsSync(own)) throw new CliError(`There is no ${own}.`, EXIT.usage);
  const id = name ?? nameOf(own, files.name);
  progress.log(`Sending ${own} to ${place} as ${id} …`);
  // Its messages name the arguments of this command; a revision of the shell is that of another model.
  const env = {
    IMAGEGEN_MODEL: id,
    IMAGEGEN_MIRROR: place,
    IMAGEGEN_REVISION: "",
    ...readerEnvironment(files.name),
  };
  const { exitCode, stdout } = await runMirrorScript(context, env, ["--own", own, "--json"]);
  // Its reason is on stderr, where nobody reads JSON.
  if (exitCode !== 0) throw new CliError(json ? reasonOf(stdout) : "", toExitCode(exitCode));
  const { revision, bytes, directory, component } = JSON.parse(stdout) as Exported;
  const file = /\.safetensors$/i.test(own) ? `/${basename(own)}` : "";
  const made = { stack: files.name, revision, bytes, place: directory };
  const mirror = readText(files.config(), "modelMirror") === place ? "" : ` --config modelMirror=${place}`;
  if (component === "LoRA") {
    const source = `${id}@${revision}${file}`;
    const lora = (id.split("/")[1] ?? "").slice(0, LORA_NAME);
    const all = shellWord(withLora(readText(files.config(), "loras") ?? "", lora, source));
    return {
      ...made,
      model: source,
      serve: commandFor(files.name, `up --config loras=${all}${mirror}`),
    };
  }
  const model = `${id}${file}`;
  const serve = commandFor(files.name, `up --model ${model} --config modelRevision=${revision}${mirror}`);
  return { ...made, model, serve };
}

/** A list of LoRAs with this one, in place of an earlier one of its name. */
function withLora(list: string, name: string, source: string): string {
  const others = lorasIn(list).filter((each) => each.name !== name);
  return [...others, { name, source }].map((each) => `${each.name}=${each.source}`).join(",");
}

function reasonOf(stdout: string): string {
  try {
    const { error } = JSON.parse(stdout) as { error?: { message?: unknown } };
    if (typeof error?.message === "string") return error.message;
  } catch {
    // The script ended before the program in it began.
  }
  return "The script that sends the model failed; its reason is above.";
}

/** `own/my-photos` for `~/models/my photos.safetensors`. */
function nameOf(path: string, stack: string): string {
  const plain = basename(path).replace(/\.safetensors$/i, "");
  const name = plain
    .replace(/[^A-Za-z0-9.]+/g, "-")
    .replace(/\.{2,}/g, ".")
    .replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, "");
  if (name !== "") return `own/${name}`;
  const fix = commandFor(stack, "cache put <path> --name <organisation>/<name>");
  throw new CliError({ message: `${path} gives no name.`, fix }, EXIT.usage);
}
