import type { Command } from "commander";
import { action, alignRows, print } from "../core/context.ts";
import { collect, numberBetween, wholeBetween } from "../core/options.ts";
import { refuseRates } from "../service/machine-rates.ts";
import { parseConfigFlags } from "../stack/config.ts";
import { dropShellModel, modelFlags } from "../stack/model-flag.ts";
import { logShell, useShell } from "../stack/shell-variables.ts";
import { planCi } from "../targets/ci/plan.ts";
import { selectTarget, targetsCi } from "../targets/select.ts";
import type { PlanOptions } from "../targets/target.ts";

const HELP = `
Examples:
  imagegen plan
  imagegen plan --model stabilityai/stable-diffusion-xl-base-1.0 --json
  imagegen plan --config modelCache=baked --config gpu=0
  imagegen plan --measure                 how long this machine's starts take, measured
  imagegen plan --stack ci --config repository=my-org/my-repository
  imagegen plan --stack aws-fleet --pictures 50000 --seconds 6
  imagegen plan --seconds 6.2 --idle 80   the cost of 1,000 pictures, with what \`imagegen status\` measured`;

interface PlanFlags extends PlanOptions {
  readonly model?: string;
  readonly config?: string[];
}

const seconds = numberBetween(0.001, 86_400, "6.2")("--seconds");
const pictures = wholeBetween(1, 1_000_000_000, "20000")("--pictures");
const downloadRate = numberBetween(0.01, 100_000, "50")("--download-rate");
const idle = numberBetween(0, 99.9, "80")("--idle");

export function addPlan(program: Command, signal: AbortSignal): void {
  program
    .command("plan")
    .description("what up would make, how long a first, a cached and a baked start would take, and the cost")
    .option("--model <model>", "plan for this model")
    .option(
      "--config <key=value>",
      "plan with this value of the stack's config, which is not kept; repeatable",
      collect,
    )
    .option(
      "--seconds <n>",
      "AWS: seconds that a picture takes, for its cost; default: published ones, where there are any",
      seconds,
    )
    .option("--idle <percent>", "AWS: share of the host's hours without a picture, for the cost of one", idle)
    .option("--pictures <n>", "fleet: pictures a month, for the cost of one; default: 20000", pictures)
    .option("--measure", "this machine: measure how fast it reads, loads and calculates, for this plan and later ones")
    .option("--rates <file>", "this machine: forecast with the rates of another one, a file of its .imagegen/rates")
    .option("--download-rate <n>", "this machine: MB/s at which the hub or the mirror sends; default: 10", downloadRate)
    .option("--offline", "AWS: take the prices of this repository, and request none")
    .addHelpText("after", HELP)
    .action(
      action<PlanFlags, []>(signal, async (context, { model, config = [], ...forecast }) => {
        const chosen = parseConfigFlags([...config, ...modelFlags(model, context.files.config())]);
        if (targetsCi(context)) {
          refuseRates(context.files.name, forecast);
          const { plan, rows } = planCi(context, chosen);
          print(context, plan, () => alignRows(rows, 12));
          return;
        }
        const target = await selectTarget(context);
        dropShellModel(model);
        logShell(context, useShell(context, target.mode, chosen), "Planned with, from the environment");
        const { plan, rows } = await target.plan(forecast);
        print(context, plan, () => alignRows(rows, 12));
      }),
    );
}
