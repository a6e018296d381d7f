import type { Command } from "commander";
import { action, alignRows, print } from "../core/context.ts";
import { collect } from "../core/options.ts";
import { parseConfigFlags } from "../stack/config.ts";
import { dropShellModel, modelFlags } from "../stack/model-flag.ts";
import { logShell, useShell } from "../stack/shell-variables.ts";
import { selectTarget } from "../targets/select.ts";

const HELP = `
Examples:
  imagegen plan
  imagegen plan --model stabilityai/stable-diffusion-xl-base-1.0 --json
  imagegen plan --config modelCache=baked --config gpu=0`;

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
    .addHelpText("after", HELP)
    .action(
      action<{ model?: string; config?: string[] }, []>(signal, async (context, { model, config = [] }) => {
        const target = await selectTarget(context);
        const chosen = parseConfigFlags([...config, ...modelFlags(model, context.files.config())]);
        dropShellModel(model);
        logShell(context, useShell(context, target.mode, chosen), "Planned with, from the environment");
        const { plan, rows } = await target.plan();
        print(context, plan, () => alignRows(rows, 12));
      }),
    );
}
