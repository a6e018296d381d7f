import type { Command } from "commander";
import { type CommonOptions, openContext, print } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { type Finding, judge } from "../doctor/checks.ts";
import { gatherFacts } from "../doctor/inspect.ts";
import { isAws } from "../targets/aws/stack/target.ts";

const EXAMPLES = `
Examples:
  imagegen doctor          each line is ok, warn or fail, with its mend; exit code 1 when one fails
  imagegen doctor --stack aws-volume     the AWS account: quota, offers, types, host; unknown is what AWS would not tell`;

export function addDoctor(program: Command, signal: AbortSignal): void {
  program
    .command("doctor")
    .description("what is wrong with this machine, the stack or its cache, each with its mend")
    .addHelpText("after", EXAMPLES)
    .action(async (_options: unknown, command: Command) => {
      const context = openContext(command.optsWithGlobals<CommonOptions>(), signal);
      const findings = isAws(context)
        ? await (await import("../targets/aws/doctor/doctor.ts")).examineAws(context)
        : judge(await gatherFacts(context));
      const ok = findings.every(({ level }) => level !== "fail");
      print(context, { ok, findings }, () => describe(findings));
      if (!ok) throw new CliError("", EXIT.failed);
    });
}

function describe(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ level }) => level.length), 4);
  return findings
    .map(
      ({ level, about, text, mend }) =>
        `${level.padEnd(width)}  ${about.padEnd(12)} ${text}${mend ? ` Fix: ${mend}` : ""}`,
    )
    .join("\n");
}
