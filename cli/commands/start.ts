import type { Command } from "commander";
import { type CommonOptions, type Context, openContext, print } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { checkedSettings } from "../stack/config.ts";
import { awsPlanOf } from "../stack/model.ts";
import { requireAws } from "./aws-only.ts";

interface StartOptions extends CommonOptions {
  readonly wait: boolean;
  readonly timeout: number;
}

interface Started {
  readonly host: string;
  readonly ready: boolean;
  readonly model: string | null;
  readonly seconds: number;
}

const EXAMPLES = `
Examples:
  imagegen start --stack aws-volume              ends when the service can make pictures
  imagegen start --stack aws-volume --no-wait    ends when the host runs`;

export function addStart(program: Command, signal: AbortSignal): void {
  program
    .command("start")
    .description("AWS: start the stopped host and wait until the service is ready")
    .option("--no-wait", "do not wait for the service")
    .option("--timeout <seconds>", "how long to wait for the service", parseSeconds, 1800)
    .addHelpText("after", EXAMPLES)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<StartOptions>();
      const context = openContext(options, signal);
      requireAws(context, "start", "imagegen up");
      print(context, await start(context, options), describe);
    });
}

async function start(context: Context, { wait, timeout }: StartOptions): Promise<Started> {
  const settings = checkedSettings(context.files.config());
  if (settings.target !== "aws") throw new CliError(`The stack ${context.files.name} is not one of AWS.`, EXIT.usage);
  const [{ openStack, requireHost }, { startHost, waitForService }] = await Promise.all([
    import("../targets/aws/stack/stack.ts"),
    import("../targets/aws/operations/start-stop.ts"),
  ]);
  const stack = await openStack(context);
  const host = await requireHost(stack);
  const begun = performance.now();
  // What a running host has reported still counts.
  const since = host.state === "running" ? 0 : Date.now();
  await startHost(context, stack, host);
  const { readiness } = await awsPlanOf(context.paths, settings, stack.name);
  const plan = { ...readiness, readyTimeoutSeconds: timeout };
  const state = wait ? await waitForService(context, stack, plan, { instance: host.id, since }) : null;
  const seconds = (performance.now() - begun) / 1000;
  return { host: host.id, ready: state !== null, model: state?.model ?? null, seconds };
}

function describe({ host, ready, model, seconds }: Started): string {
  const what = ready ? `Ready: ${model ?? "the service"} on ${host}` : `${host} runs`;
  return `${what} (${seconds.toFixed(0)} s)`;
}

function parseSeconds(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new CliError(`--timeout: expected a whole number of seconds, got "${text}".`, EXIT.usage);
}
