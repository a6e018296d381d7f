import { type Command, Option } from "commander";
import { qualifyKey } from "../../infra/config/problem.ts";
import { DEMO_MODEL_ID } from "../../infra/contract.ts";
import { formatSeconds } from "../../infra/units.ts";
import { commandFor } from "../core/command-line.ts";
import { action, type Context, print } from "../core/context.ts";
import { CliError } from "../core/exit.ts";
import { collect } from "../core/options.ts";
import { withStackLock } from "../core/stack-lock.ts";
import { parseConfigFlags } from "../stack/config.ts";
import { dropShellModel, modelFlags } from "../stack/model-flag.ts";
import { logShell, useShell } from "../stack/shell-variables.ts";
import {
  MODES,
  type RequestedMode,
  requireService,
  selectUpTarget,
  targetsAws,
  targetsFleet,
} from "../targets/select.ts";
import type { UpResult } from "../targets/target.ts";

interface Options {
  readonly mode: RequestedMode;
  readonly model?: string;
  readonly port?: string;
  readonly config?: string[];
  readonly resetConfig?: boolean;
  readonly prompt: string;
  readonly picture: boolean;
}

const HELP = `
Examples:
  imagegen up                                  in Docker where it is available, else as a process of this machine
  imagegen up --model stabilityai/stable-diffusion-xl-base-1.0
  imagegen up --mode process --port 8001
  imagegen up --config baseImage=my-registry/python:3.12 --config buildNetwork=host

--model, --port and --config are remembered for the stack (in .imagegen/stacks) once they have worked, until you change
them or pass --reset-config; in AWS as soon as a first deployment has begun to make things. When up fails, the service that ran before continues, or is started again.
stacks/Pulumi.<stack>.yaml is written only in AWS, to pin a host that was not the first choice.
Variables of the service in the environment (HF_TOKEN, IMAGE_GEN_API_KEY, HTTPS_PROXY, …) are remembered as well, secrets encrypted;
one that can't be used is named. A service that runs as a process has them for that start alone.`;

export function addUp(program: Command, signal: AbortSignal): void {
  program
    .command("up")
    .description("start the service, wait until it is ready, and make a picture")
    .addOption(new Option("--mode <mode>", "on this machine").choices(MODES).default("auto"))
    .option(
      "--model <model>",
      "a model on the Hugging Face Hub, demo, or the path of one of your own (./my-photos.safetensors)",
    )
    .option("--port <port>", "the service's port on this machine")
    .option("--config <key=value>", "a value of the stack's config; repeatable", collect)
    .option("--reset-config", "clear what earlier --model, --port and --config set")
    .option("--prompt <text>", "what the picture shows", "a lighthouse at dawn, oil on canvas")
    .option("--no-picture", "return as soon as the service is ready")
    .addHelpText("after", HELP)
    .action(
      action<Options, []>(signal, async (context, options) => {
        const { paths, files, progress } = context;
        const flags = parseFlags(options, files);
        requireStack(context, flags);
        const dropped = dropShellModel(options.model);
        if (dropped) progress.log(dropped);
        const result = await withStackLock(paths, files.name, "up", () =>
          progress.busy(() => up(context, options, flags)),
        );
        print(context, result, describeUp);
      }),
    );
}

async function up(context: Context, options: Options, flags: Record<string, string>): Promise<UpResult> {
  const { files, progress } = context;
  const { mode, picture, prompt, resetConfig: reset = false } = options;
  files.begin({ reset });
  files.use(flags);
  requireService(context, "up");
  // Whatever this machine turns out to have, a wrong value ends here.
  useShell(context, targetsAws(context) ? "aws" : targetsFleet(context) ? "fleet" : "process", flags);
  if (Object.keys(flags).length > 0) files.saveOverrides(flags);
  progress.update("looking at what this machine has");
  try {
    const target = await selectUpTarget(context, mode);
    const shell = useShell(context, target.mode, flags);
    const kept = target.mode === "process" ? "for this start alone" : "and kept for the stack";
    logShell(context, shell, `Taken from the environment, ${kept}`);
    const result = await target.up({ prompt: picture ? prompt : null, shell });
    files.keep();
    return result;
  } catch (error) {
    if (!(error instanceof CliError) || Object.keys(flags).length === 0) throw error;
    const names = Object.keys(flags).map((key) => key.replace(/^.*:/, ""));
    if (!files.isPending) {
      const message = `Remembered, as the first deployment began with them: ${names.join(", ")}. To clear them: --reset-config.`;
      throw new CliError([...error.details, { message }], error.exitCode);
    }
    const message = `Not remembered: ${names.join(", ")}.`;
    const target = flags[qualifyKey("target")];
    const repeat = `${message} ${files.name} is still a new stack: each up of it needs --config target=${target}.`;
    throw new CliError([...error.details, { message: files.isKnown ? message : repeat }], error.exitCode);
  }
}

/** A name without a file is a mistake, unless a target says that a new stack is meant. */
function requireStack({ files, progress }: Context, flags: Readonly<Record<string, string>>): void {
  if (files.isKnown) return;
  if (!Object.keys(flags).some((key) => key.endsWith(":target"))) files.requireKnown();
  progress.log(`New stack ${files.name}, beside ${files.knownStacks().join(", ")}.`);
}

function parseFlags({ config, model, port }: Options, files: Context["files"]): Record<string, string> {
  const named = [...modelFlags(model, files.config()), ...(port === undefined ? [] : [`port=${port}`])];
  return parseConfigFlags([...(config ?? []), ...named], files.name);
}

function describeFleet({ stack, model, url, queueUrl, jobStore, seconds, stopped }: UpResult): string {
  const state = stopped
    ? `Updated: ${model ?? "the service"}; the fleet is stopped or drained until ${commandFor(stack, "start")}`
    : `Ready for jobs: ${model ?? "the service"}, hosts come with the first one`;
  return [
    `${state} (${formatSeconds(seconds)})`,
    ...(url === null ? [] : [`Gateway: ${url}`]),
    `Queue: ${queueUrl}; jobs and results: ${jobStore}`,
    `To remove all hosts: ${commandFor(stack, "down")}`,
  ].join("\n");
}

export function describeUp(result: UpResult): string {
  const { stack, mode, model, device, url, instanceType, market, picture, seconds, pid } = result;
  if (mode === "fleet") return describeFleet(result);
  const place = instanceType ? `${instanceType} (${market})` : `${device}, at ${url}`;
  const lines = [`Ready: ${model ?? "the service"} on ${place} (${formatSeconds(seconds)})`];
  if (picture) {
    const noise = model === DEMO_MODEL_ID ? "; the demo model's weights are random, so it shows noise" : "";
    lines.push(`Picture: ${picture.path} (${picture.seconds.toFixed(1)} s${noise})`);
  }
  if (instanceType) {
    lines.push(`Next: ${commandFor(stack, "open")}; to stop paying for the host: ${commandFor(stack, "stop")}`);
  } else {
    const what = pid === undefined ? "The container" : `The process ${pid}`;
    lines.push(`${what} keeps running. To stop it: ${commandFor(stack, "down")}`);
  }
  return lines.join("\n");
}
