import { type Command, Option } from "commander";
import { formatSeconds } from "../../infra/units.ts";
import { commandFor } from "../core/command-line.ts";
import { action, print } from "../core/context.ts";
import { collect } from "../core/options.ts";
import { parseConfigFlags } from "../stack/config.ts";
import { logShell, useShell } from "../stack/shell-variables.ts";
import { MODES, type RequestedMode, selectUpTarget } from "../targets/select.ts";
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

--model, --port and --config are remembered for the stack (in .imagegen/stacks) until you change them or pass
--reset-config. stacks/Pulumi.<stack>.yaml is written only in AWS, to pin a host that was not the first choice.
Variables of the service in the environment (HF_TOKEN, IMAGE_GEN_API_KEY, HTTPS_PROXY, …) are remembered as well, secrets encrypted;
one that can't be used is named. A service that runs as a process has them for that start alone.`;

export function addUp(program: Command, signal: AbortSignal): void {
  program
    .command("up")
    .description("start the service, wait until it is ready, and make a picture")
    .addOption(new Option("--mode <mode>", "on this machine").choices(MODES).default("auto"))
    .option("--model <id>", "a model on the Hugging Face Hub, or demo")
    .option("--port <port>", "the service's port on this machine")
    .option("--config <key=value>", "a value of the stack's config; repeatable", collect)
    .option("--reset-config", "clear what earlier --model, --port and --config set")
    .option("--prompt <text>", "what the picture shows", "a lighthouse at dawn, oil on canvas")
    .option("--no-picture", "return as soon as the service is ready")
    .addHelpText("after", HELP)
    .action(
      action<Options, []>(signal, async (context, options) => {
        const { files } = context;
        const overrides = overridesOf(options, files.name);
        if (!options.config) files.requireKnown();
        if (options.resetConfig) files.clearOverrides();
        // Whatever the mode turns out to be, a wrong value ends here.
        useShell(context, "process", overrides);
        if (Object.keys(overrides).length > 0) files.saveOverrides(overrides);
        const target = await selectUpTarget(context, options.mode);
        const shell = useShell(context, target.mode, overrides);
        const kept = target.mode === "process" ? "for this start alone" : "and kept for the stack";
        logShell(context, shell, `Taken from the environment, ${kept}`);
        print(context, await target.up({ prompt: options.picture ? options.prompt : null, shell }), describeUp);
      }),
    );
}

function overridesOf({ config, model, port }: Options, stack: string): Record<string, string> {
  const named = [...(model === undefined ? [] : [`modelId=${model}`]), ...(port === undefined ? [] : [`port=${port}`])];
  return parseConfigFlags([...(config ?? []), ...named], stack);
}

function describeUp({ stack, model, device, url, instanceType, market, picture, seconds }: UpResult): string {
  const place = instanceType ? `${instanceType} (${market})` : `${device}, at ${url}`;
  const lines = [`Ready: ${model ?? "the service"} on ${place} (${formatSeconds(seconds)})`];
  if (picture) lines.push(`Picture: ${picture.path} (${picture.seconds.toFixed(1)} s)`);
  if (instanceType)
    lines.push(`Next: ${commandFor(stack, "open")}; to stop paying for the host: ${commandFor(stack, "stop")}`);
  return lines.join("\n");
}
