import type { Command } from "commander";
import { detectGpu } from "../../infra/io/local-gpu.ts";
import type { Plan } from "../../infra/plan/plan.ts";
import { RATES } from "../../infra/plan/startup.ts";
import { formatBytes, formatSeconds } from "../../infra/units.ts";
import { type CommonOptions, openContext, print } from "../core/context.ts";
import { checkedSettings, readText } from "../stack/config.ts";
import { awsPlanOf, chooseModel, planOf, withModel } from "../stack/model.ts";
import { describeAwsPlan } from "../targets/aws/stack/describe-plan.ts";

interface PlanOptions extends CommonOptions {
  readonly model?: string;
}

const EXAMPLES = `
Examples:
  imagegen plan
  imagegen plan --model stabilityai/stable-diffusion-xl-base-1.0 --json`;

export function addPlan(program: Command, signal: AbortSignal): void {
  program
    .command("plan")
    .description("what up would make, and how long a first, a cached and a baked start would take")
    .option("--model <id>", "plan for this model")
    .addHelpText("after", EXAMPLES)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<PlanOptions>();
      const context = openContext(options, signal);
      const config = context.files.config();
      const asked = options.model;
      const settings = checkedSettings(config);
      if (settings.target === "aws") {
        const wanted = asked === undefined ? settings : { ...settings, modelId: asked };
        print(context, await awsPlanOf(context.paths, wanted, context.files.name), describeAwsPlan);
        return;
      }
      const model = chooseModel({ asked, configured: readText(config, "modelId"), gpu: detectGpu().hasGpu });
      const plan = await planOf(context.paths, withModel(settings, model));
      if (model.note) context.progress.line(model.note);
      print(context, plan, describePlan);
    });
}

/** The plan as aligned lines, for people. */
export function describePlan({ modelId, image, host, cache, readiness, startupEstimate }: Plan): string {
  const size = `${formatBytes(startupEstimate.modelBytes)}${startupEstimate.modelBytesSource === "manifest" ? "" : ", estimated"}`;
  const rows: [string, string][] = [
    ["model", `${modelId} (${size})`],
    ["device", readiness.device],
    ["image", `${image.name}, from ${image.buildArgs.BASE_IMAGE}`],
    ["container", `${host.containerName} at ${readiness.url}`],
    [
      "volume",
      `${cache.volumeName}${startupEstimate.bytesToFetch > 0 ? `, to fetch ${formatBytes(startupEstimate.bytesToFetch)}` : ""}`,
    ],
    [
      "first start",
      `${formatSeconds(startupEstimate.firstSeconds)} at ${formatBytes(RATES.downloadBytesPerSecond)}/s, after the image is built`,
    ],
    ["cached", formatSeconds(startupEstimate.cachedSeconds)],
    ["baked", formatSeconds(startupEstimate.bakedSeconds)],
    ["given up", `after ${formatSeconds(readiness.readyTimeoutSeconds)}`],
    ["cost", "none: this machine"],
  ];
  return rows.map(([name, value]) => `${name.padEnd(12)} ${value}`).join("\n");
}
