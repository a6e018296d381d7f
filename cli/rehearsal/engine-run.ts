import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import { stringify } from "yaml";
import { PROJECT, SECRET_PLACEHOLDER } from "../../infra/contract.ts";
import { CliError, firstLine } from "../core/exit.ts";
import type { Paths } from "../core/paths.ts";
import { type ConfigMap, isSecret } from "../stack/config.ts";
import { reasonInOutput } from "../stack/diagnostics.ts";
import { pulumiCommand } from "../toolchain/pulumi.ts";

/** What the program is made of; a project with links to these runs the checkout's own. */
const LINKED = ["infra", "image-gen", "node_modules", "package.json"];

/** Of the caller's environment. Everything else stays out, and with it credentials, profiles, proxies and Pulumi's own. */
const PASSED = ["HOME", "LANG", "LC_ALL", "TMPDIR", "TEMP", "TMP", "USERPROFILE", "SystemRoot", "ComSpec", "PATHEXT"];

/** How often new events are looked for, in milliseconds. */
const LOOK_MS = 100;

export interface EngineRunInput {
  readonly paths: Paths;
  /** The folder of a Pulumi CLI that is not on PATH. */
  readonly root: string | undefined;
  readonly stack: string;
  readonly config: ConfigMap;
  /** Leads every request to the fake. */
  readonly environment: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly onEvent: (event: EngineEvent) => void;
}

export interface EngineRun {
  readonly ok: boolean;
  readonly events: readonly EngineEvent[];
  readonly output: string;
}

/** The environment of a rehearsal's commands, whose home, state and AWS settings are in `folder`. */
export function rehearsalEnvironment(
  folder: string,
  environment: Readonly<Record<string, string>>,
  caller: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  const passed = PASSED.flatMap((name) => (caller[name] === undefined ? [] : [[name, caller[name]] as const]));
  return {
    ...Object.fromEntries(passed),
    PATH: `${dirname(process.execPath)}${delimiter}${caller.PATH ?? ""}`,
    AWS_CONFIG_FILE: join(folder, "none"),
    AWS_SHARED_CREDENTIALS_FILE: join(folder, "none"),
    PULUMI_HOME: join(folder, "pulumi"),
    PULUMI_BACKEND_URL: pathToFileURL(join(folder, "state")).href,
    PULUMI_CONFIG_PASSPHRASE: "of the rehearsal",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    // The event log is an option for developers of the CLI.
    PULUMI_DEBUG_COMMANDS: "true",
    ...environment,
  };
}

/** One `pulumi up` of a new stack in a folder of its own, which is removed. */
export async function runEngine(input: EngineRunInput): Promise<EngineRun> {
  const folder = mkdtempSync(join(tmpdir(), "imagegen-rehearsal-"));
  try {
    return await runIn(folder, input);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runIn(folder: string, input: EngineRunInput): Promise<EngineRun> {
  const { paths, root, stack, config, signal, onEvent } = input;
  const project = join(folder, "project");
  for (const name of ["project", "state", "pulumi"]) mkdirSync(join(folder, name));
  for (const name of LINKED) symlinkSync(join(paths.root, name), join(project, name), "junction");
  const file = readFileSync(join(paths.root, "Pulumi.yaml"), "utf8");
  writeFileSync(join(project, "Pulumi.yaml"), file.replace(/^stackConfigDir: .*$/m, "stackConfigDir: ."));
  const env = rehearsalEnvironment(folder, input.environment);
  const pulumi = (args: readonly string[], text?: string) =>
    execa(pulumiCommand(root), [...args, "--non-interactive", "--color", "never"], {
      cwd: project,
      env,
      extendEnv: false,
      reject: false,
      all: true,
      cancelSignal: signal,
      ...(text === undefined ? {} : { input: text }),
    });
  const prepare = async (args: readonly string[], text?: string) => {
    const { exitCode, all } = await pulumi(args, text);
    signal.throwIfAborted();
    if (exitCode !== 0) throw new CliError(`The rehearsal could not begin: ${reasonInOutput(all) ?? firstLine(all)}`);
  };
  const own = Object.entries(config).filter(([key]) => key.startsWith(`${PROJECT}:`) || key === "aws:region");
  const plain = own.filter(([, value]) => !isSecret(value));
  writeFileSync(join(project, `Pulumi.${stack}.yaml`), stringify({ config: Object.fromEntries(plain) }));
  await prepare(["stack", "init", stack]);
  for (const [key, value] of own)
    if (isSecret(value)) await prepare(["config", "set", "--secret", "--stack", stack, key], SECRET_PLACEHOLDER);

  const log = join(folder, "events");
  const events: EngineEvent[] = [];
  const look = () => {
    const lines = existsSync(log) ? readFileSync(log, "utf8").split("\n").slice(0, -1) : [];
    for (const line of lines.slice(events.length)) {
      const event = JSON.parse(line) as EngineEvent;
      events.push(event);
      onEvent(event);
    }
  };
  const timer = setInterval(look, LOOK_MS);
  const ended = await pulumi(["up", "--yes", "--skip-preview", "--stack", stack, "--event-log", log]);
  clearInterval(timer);
  signal.throwIfAborted();
  look();
  return { ok: ended.exitCode === 0, events, output: ended.all };
}
