import { spawnSync } from "node:child_process";

/** What the `--help` of a program built with Cobra says of one of its commands. */
interface Help {
  readonly commands: ReadonlySet<string>;
  /** Flags, and whether each takes a value. */
  readonly flags: ReadonlyMap<string, boolean>;
  readonly usage: string;
}

const known = new Map<string, Help>();

function helpOf(path: readonly string[]): Help {
  const key = path.join(" ");
  const have = known.get(key);
  if (have) return have;
  const [program = "", ...args] = path;
  const { stdout, stderr } = spawnSync(program, [...args, "--help"], { encoding: "utf8", timeout: 60_000 });
  const text = `${stdout}${stderr}`;
  const flags = new Map<string, boolean>([["--help", false]]);
  for (const [, short, long = "", type, optional] of text.matchAll(
    /^ +(?:(-\w), +)?(--[\w-]+)(?: ([a-z][\w-]*)(\[=\S*\])?)?(?: {2,}|$)/gm,
  ))
    for (const flag of short ? [short, long] : [long]) flags.set(flag, type !== undefined && optional === undefined);
  const sections = text
    .split(/^(?=\S.*:$)/m)
    .filter((section) => /^[\w ]*Commands(?: \(.*\))?:$/.test(section.split("\n")[0] ?? ""));
  const commands = sections.flatMap((section) =>
    [...section.matchAll(/^ {2}([a-z][\w-]*)\*? {2,}/gm)].map(([, name = ""]) => name),
  );
  const found = { commands: new Set(commands), flags, usage: /^Usage:\s+(.*)$/m.exec(text)?.[1]?.trim() ?? "" };
  known.set(key, found);
  return found;
}

/** A command as its program splits it. */
export interface Parsed {
  /** The program and its commands: `docker compose up`. */
  readonly path: readonly string[];
  readonly flags: ReadonlyMap<string, string>;
  readonly operands: readonly string[];
}

/** Splits the words by what `--help` says. Returns a sentence where that allows no such command. */
export function parseByHelp(words: readonly string[], { partial = false } = {}): Parsed | string {
  const path = words.slice(0, 1);
  const flags = new Map<string, string>();
  const operands: string[] = [];
  let help = helpOf(path);
  let only = false;
  for (let at = 1; at < words.length; at += 1) {
    const word = words[at] ?? "";
    if (word === "--" && !only) only = true;
    else if (/^--?[a-zA-Z]/.test(word) && !only) {
      const [flag = "", inline] = word.startsWith("--") ? word.split(/=(.*)/s) : [word];
      const takesValue = help.flags.get(flag) ?? joined(help, flag);
      if (takesValue === undefined) return `${path.join(" ")} has no flag ${flag}`;
      if (takesValue && inline === undefined && at + 1 >= words.length && !partial) return `${flag} needs a value`;
      const separate = takesValue && inline === undefined;
      flags.set(flag, separate ? (words[at + 1] ?? "") : (inline ?? ""));
      if (separate) at += 1;
    } else if (operands.length === 0 && isCommand(path, help, word)) {
      path.push(word);
      help = helpOf(path);
    } else if (operands.length === 0 && help.commands.size > 0) {
      return `${path.join(" ")} has no command ${word}`;
    } else {
      operands.push(word);
      // What follows an image or a container is another program's.
      if (takesCommand(help.usage) && operands.length === 1) only = true;
    }
  }
  return partial ? { path, flags, operands } : (wrongCount(help, operands) ?? { path, flags, operands });
}

/** A command of the list, or an older name of one, for which the program has a help of its own. */
function isCommand(path: readonly string[], help: Help, word: string): boolean {
  if (help.commands.has(word)) return true;
  if (help.commands.size === 0 || !/^[a-z][\w-]*$/.test(word)) return false;
  return helpOf([...path, word]).usage !== help.usage;
}

/** `-it`: short flags without values in one word. */
function joined({ flags }: Help, word: string): boolean | undefined {
  const letters = /^-([a-zA-Z]{2,})$/.exec(word)?.[1];
  return letters && [...letters].every((letter) => flags.get(`-${letter}`) === false) ? false : undefined;
}

const takesCommand = (usage: string) => /(CONTAINER|IMAGE|SERVICE) \[?COMMAND/.test(usage);

function wrongCount({ usage, commands }: Help, operands: readonly string[]): string | null {
  if (commands.size > 0 && operands.length === 0) return null;
  const parts =
    usage
      .replaceAll(" | ", "|")
      .replace(/^[\w -]*?(?= [[<A-Z]|$)/, "")
      .match(/\[[^\]]*\]|<[^>]*>|[A-Z][\w:|/-]*/g) ?? [];
  const places = parts.filter((part) => !/flags|OPTIONS|^\[--\]$/i.test(part));
  const least = places.filter((part) => !part.startsWith("[")).length;
  const most = /\.\.\.|…/.test(usage) ? Number.POSITIVE_INFINITY : places.length;
  if (operands.length < least) return `expected ${usage}, got ${operands.length} arguments`;
  return operands.length > most ? `expected ${usage}, got ${operands.join(" ")}` : null;
}

/** Whether the program can be started here. */
export function isInstalled(program: string, ...args: readonly string[]): boolean {
  return spawnSync(program, args.length > 0 ? [...args] : ["version"], { timeout: 60_000 }).error === undefined;
}
