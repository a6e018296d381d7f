/** Pictures in a terminal: by kitty's or iTerm2's own protocol, else by a program that knows sixel. */
import { readFileSync } from "node:fs";
import { execa } from "execa";
import { CliError, EXIT } from "./exit.ts";
import { onPath } from "./on-path.ts";

/** How the terminal is given a picture. Sources: https://sw.kovidgoyal.net/kitty/graphics-protocol, https://iterm2.com/documentation-images.html. */
export type ImageViewer =
  | { readonly protocol: "kitty" | "iterm2" }
  | { readonly protocol: "program"; readonly path: string };

/** chafa finds out by itself what the terminal can do; img2sixel is for those that know sixel. */
const PROGRAMS = ["chafa", "img2sixel"];
const CHUNK = 4096;

/** The way that this terminal, and the programs on its PATH, can show `format`. Throws a CliError where there is none. */
export function requireViewer(format: string, isTerminal: boolean, env: NodeJS.ProcessEnv = process.env): ImageViewer {
  if (!isTerminal) throw new CliError({ message: "--show needs a terminal.", fix: "leave --show out" }, EXIT.usage);
  const program = env.TERM_PROGRAM ?? "";
  const isKitty = env.KITTY_WINDOW_ID !== undefined || env.TERM === "xterm-kitty" || program === "ghostty";
  // kitty's protocol takes PNG alone.
  if (isKitty && format === "png") return { protocol: "kitty" };
  if (env.LC_TERMINAL === "iTerm2" || ["iTerm.app", "WezTerm", "mintty"].includes(program))
    return { protocol: "iterm2" };
  const path = PROGRAMS.map((name) => onPath(name, env)).find((found) => found !== undefined);
  if (path) return { protocol: "program", path };
  const message =
    "This terminal is none of kitty, Ghostty, iTerm2, WezTerm and mintty, and neither chafa nor img2sixel is on PATH.";
  throw new CliError({ message, fix: "sudo apt install chafa" }, EXIT.missingPrerequisite);
}

/** Shows the picture in `file`. */
export async function showImage(
  file: string,
  viewer: ImageViewer,
  write: (text: string) => void = (text) => void process.stdout.write(text),
): Promise<void> {
  if (viewer.protocol === "program") {
    const { exitCode } = await execa(viewer.path, [file], {
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
      reject: false,
    });
    if (exitCode !== 0) throw new CliError(`${viewer.path} could not show ${file}.`);
    return;
  }
  const data = readFileSync(file);
  write(viewer.protocol === "kitty" ? kittySequence(data) : iterm2Sequence(data));
}

function iterm2Sequence(data: Buffer): string {
  return `\u001b]1337;File=inline=1;size=${data.length}:${data.toString("base64")}\u0007\n`;
}

function kittySequence(data: Buffer): string {
  const chunks = data.toString("base64").match(new RegExp(`.{1,${CHUNK}}`, "g")) ?? [];
  const sent = chunks.map((chunk, index) => {
    const more = index < chunks.length - 1 ? 1 : 0;
    return `\u001b_G${index === 0 ? "a=T,f=100," : ""}m=${more};${chunk}\u001b\\`;
  });
  return `${sent.join("")}\n`;
}
