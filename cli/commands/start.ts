import type { Command } from "commander";
import { formatSeconds } from "../../infra/units.ts";
import { action, print } from "../core/context.ts";
import { wholeNumber } from "../core/options.ts";
import type { StartResult } from "../targets/target.ts";
import { requireHost } from "./host-operations.ts";

const HELP = `
Examples:
  imagegen start --stack aws-volume              returns when the service can make pictures
  imagegen start --stack aws-volume --no-wait    returns when the instance runs`;

export function addStart(program: Command, signal: AbortSignal): void {
  program
    .command("start")
    .description("AWS: start the stopped instance and wait until the service is ready")
    .option("--no-wait", "do not wait for the service")
    .option("--timeout <seconds>", "how long to wait for the service", wholeNumber("--timeout"), 1800)
    .addHelpText("after", HELP)
    .action(
      action<{ wait: boolean; timeout: number }, []>(signal, async (context, options) => {
        print(context, await (await requireHost(context, "up")).start(options), describeStart);
      }),
    );
}

function describeStart({ host, ready, model, seconds }: StartResult): string {
  return `${ready ? `Ready: ${model ?? "the service"} on ${host}` : `${host} runs`} (${formatSeconds(seconds)})`;
}
