import type { Command } from "commander";
import { action, print } from "../core/context.ts";
import { CliError, EXIT, formatDetail } from "../core/exit.ts";
import type { Check } from "../doctor/check.ts";
import { selectTarget } from "../targets/select.ts";

const HELP = `
Examples:
  imagegen doctor          a line for each check: ok, warn, fail or unknown; exit code 1 when one fails
  imagegen doctor --stack aws-volume     the AWS account too: quota, offers, instance types, host

unknown: the check could not be made, because AWS denied access or did not answer.`;

/** What `doctor --json` prints. */
export interface DoctorResult {
  readonly ok: boolean;
  readonly checks: readonly Check[];
}

export function addDoctor(program: Command, signal: AbortSignal): void {
  program
    .command("doctor")
    .description("check this machine, the stack and its cache; print a fix for each problem")
    .addHelpText("after", HELP)
    .action(
      action(signal, async (context) => {
        const checks = await (await selectTarget(context)).checks();
        const result: DoctorResult = { ok: checks.every(({ status }) => status !== "fail"), checks };
        print(context, result, describeChecks);
        if (!result.ok) throw new CliError("", EXIT.failed);
      }),
    );
}

export function describeChecks({ checks }: DoctorResult): string {
  const width = Math.max(...checks.map(({ status }) => status.length), 4);
  return checks
    .map((check) => `${check.status.padEnd(width)}  ${check.id.padEnd(12)} ${formatDetail(check)}`)
    .join("\n");
}
