import type { Command } from "commander";
import { action, alignRows, print } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { ciPlanRows } from "../targets/ci/plan.ts";
import type { CiSetup, SetupOptions } from "../targets/ci/setup.ts";
import { requireCi } from "../targets/select.ts";
import { type DoctorResult, describeChecks } from "./doctor.ts";

/** The stack that the commands are about where none is named. */
const STACK = "ci";

const SETUP_HELP = `
Examples:
  imagegen ci setup --dry-run                        say what it would make, and change nothing
  imagegen ci setup                                  for the repository in Git's remote \`origin\`
  imagegen ci setup --repository my-org/my-repository

An interrupted setup resumes when you run the command again.`;

const DOCTOR_HELP = `
Examples:
  imagegen ci doctor     a line for each check: ok, warn, fail or unknown; exit code 1 when one fails`;

export function addCi(program: Command, signal: AbortSignal): void {
  const ci = program.command("ci").description("AWS: what deployments from CI need, once in an account");
  ci.command("setup")
    .description("make the bucket, the key and the roles of deployments from CI, and set the repository's variables")
    .option("--repository <name>", "the repository whose jobs deploy, as <organisation>/<name>")
    .option("--without-gh", "leave GitHub to you: print the commands that set it up")
    .option("-n, --dry-run", "only say what it would make")
    .option("-y, --yes", "do not ask")
    .addHelpText("after", SETUP_HELP)
    .action(
      action<SetupOptions, []>(
        signal,
        async (context, options) => {
          requireCi(context);
          const { setupCi } = await import("../targets/ci/setup.ts");
          print(context, await setupCi(context, options), describeSetup);
        },
        STACK,
      ),
    );
  ci.command("doctor")
    .description("check the account, the roles, the repository's variables and the deployed stack's file")
    .addHelpText("after", DOCTOR_HELP)
    .action(
      action(
        signal,
        async (context) => {
          requireCi(context);
          const { checkCi } = await import("../targets/ci/doctor.ts");
          const checks = await checkCi(context);
          const result: DoctorResult = { ok: checks.every(({ status }) => status !== "fail"), checks };
          print(context, result, describeChecks);
          if (!result.ok) throw new CliError("", EXIT.failed);
        },
        STACK,
      ),
    );
}

function describeSetup({ account, dryRun, plan, written, commands, next }: CiSetup): string {
  if (dryRun) return alignRows([["account", account], ...ciPlanRows(plan)], 12);
  return [
    ...written.map((file) => `Written: ${file}`),
    ...(commands.length > 0 ? ["To set the repository's variables:", ...commands.map((line) => `  ${line}`)] : []),
    "Next:",
    ...next.map((line) => `  ${line}`),
  ].join("\n");
}
