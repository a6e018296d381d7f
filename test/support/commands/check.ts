import { spawnSync } from "node:child_process";
import type { Settings } from "../../../infra/config/settings.ts";
import { Declarations } from "../../../scripts/reference/interfaces.ts";
import { sources } from "../../../scripts/reference/pages.ts";
import { paths } from "../paths.ts";
import { checkCurl } from "./parsers/curl.ts";
import { checkDocker } from "./parsers/docker.ts";
import { isInstalled } from "./parsers/help.ts";
import { checkImagegen } from "./parsers/imagegen.ts";
import { checkNpm } from "./parsers/npm.ts";
import { checkOther } from "./parsers/others.ts";
import { checkPulumi } from "./parsers/pulumi.ts";
import { PYTHON_TOOLS } from "./parsers/python.ts";
import type { Printed, SimpleCommand } from "./printed.ts";
import { fillSamples } from "./samples.ts";
import { simpleCommands } from "./shell.ts";

/** One command of a printed line. */
export interface Start {
  readonly printed: Printed;
  readonly words: readonly string[];
}

/** What was found to be wrong. */
export interface Wrong {
  readonly where: string;
  readonly command: string;
  readonly problem: string;
}

/** Every command that a printed line starts, in the reader's own shell or, behind `docker exec`, in the container. */
export function startsOf(printed: Printed): Start[] {
  const filled = fillSamples(printed.command);
  // A name alone: what it needs is said beside it.
  const isName = printed.mention === true && /^[a-z -]+$/.test(filled);
  return simpleCommands(isName ? `${filled} …` : filled).flatMap((each) => nested(printed, each));
}

function nested(printed: Printed, { words }: SimpleCommand): Start[] {
  const own = words[0] === "sudo" ? words.slice(1) : words;
  if (own.length === 0) return [];
  const start = { printed, words: own };
  if (!/^docker(-compose)?$/.test(own[0] ?? "")) return [start];
  const { inside } = checkDocker(own);
  return inside[0] === "image-gen" ? [start, { printed: { ...printed, reader: "container" }, words: inside }] : [start];
}

/** Where `image-gen` itself is named: on pages about it, and in code that runs it in the container. */
const ABOUT_IMAGE_GEN =
  /^(CHANGELOG\.md|docs\/(guides\/(gateway|fleet)|reference\/(image-gen|exit-codes|http|json-output|errors|environment))\.md|cli\/targets\/aws\/(host\/image-gen|operations\/backup)\.ts)/;

/** `image-gen` is in the container alone, so that nobody can type it elsewhere. */
export function wrongPlace({ printed, words }: Start): string | null {
  if (words[0] !== "image-gen" || printed.reader === "container" || ABOUT_IMAGE_GEN.test(printed.where)) return null;
  return "image-gen is in the container: write the command that reaches it, docker exec or imagegen";
}

/** The outputs of a stack by its target. */
function stackOutputs(): Readonly<Record<Settings["target"], readonly string[]>> {
  const declarations = new Declarations(sources(paths.root));
  const namesOf = (name: string) => {
    const found = declarations.find(name);
    if (!found) throw new Error(`infra/ declares no ${name}`);
    return declarations.fieldsOf(found).map((field) => field.name);
  };
  outputs ??= {
    local: namesOf("LocalOutputs"),
    aws: namesOf("AwsOutputs"),
    fleet: namesOf("FleetOutputs"),
    ci: namesOf("CiOutputs"),
  };
  return outputs;
}

let outputs: ReturnType<typeof stackOutputs> | undefined;

export const COMPOSE = "docker compose";

/** Tools that are asked for their own help: those that this machine lacks, which the caller has to say. */
export function missingTools(): string[] {
  const tools: Record<string, () => boolean> = {
    pulumi: () => isInstalled("pulumi"),
    docker: () => isInstalled("docker", "--version"),
    // A plugin, which not every Docker has.
    [COMPOSE]: () => spawnSync("docker", ["compose", "version"], { timeout: 60_000 }).status === 0,
  };
  return Object.keys(tools).filter((name) => !tools[name]?.());
}

/** What is wrong with a command by its tool's parser. Null where nothing is, and for tools that are asked elsewhere. */
export function checkStart({ words }: Start, missing: readonly string[]): string | null {
  const [program = "", ...args] = words;
  const tool = program === "docker-compose" || (program === "docker" && args[0] === "compose") ? COMPOSE : program;
  if (PYTHON_TOOLS.includes(program) || missing.includes(tool)) return null;
  switch (program) {
    case "imagegen":
      return checkImagegen(args);
    case "npx":
      return args[0] === "imagegen" ? checkImagegen(args.slice(1)) : `npx ${args[0]} is no program of this checkout`;
    case "npm":
      return checkNpm(words);
    case "pulumi":
      return checkPulumi(words, stackOutputs());
    case "docker":
    case "docker-compose":
      return checkDocker(words).problem;
    case "curl":
      return checkCurl(words);
    default:
      return checkOther(words);
  }
}
