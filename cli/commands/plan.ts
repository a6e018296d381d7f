import type { Command } from "commander";
import { action, alignRows, print } from "../core/context.ts";
import { selectTarget } from "../targets/select.ts";

const HELP = `
Examples:
  imagegen plan
  imagegen plan --model stabilityai/stable-diffusion-xl-base-1.0 --json`;

export function addPlan(program: Command, signal: AbortSignal): void {
  program
    .command("plan")
    .description("what up would make, how long a first, a cached and a baked start would take, and the cost")
    .option("--model <id>", "plan for this model")
    .addHelpText("after", HELP)
    .action(
      action<{ model?: string }, []>(signal, async (context, { model }) => {
        const { plan, rows } = await (await selectTarget(context)).plan(model);
        print(context, plan, () => alignRows(rows, 12));
      }),
    );
}
