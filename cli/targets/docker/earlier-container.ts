import { serviceUrl } from "../../../infra/contract.ts";
import { modelPath } from "../../../infra/plan/service-environment.ts";
import { commandFor } from "../../core/command-line.ts";
import type { Context } from "../../core/context.ts";
import { CliError } from "../../core/exit.ts";
import { probeState } from "../../service/readiness.ts";
import { AutomationStack } from "../../stack/automation-stack.ts";
import { findContainerIfReachable } from "../../toolchain/docker.ts";
import type { EarlierService } from "../earlier.ts";

/** The stack's container, if it works; undefined when there is none, or its service has failed. */
export async function earlierContainer(
  context: Context,
  root: string | undefined,
): Promise<EarlierService | undefined> {
  const { files, progress, signal } = context;
  const settings = files.lastSettings("local");
  const url = serviceUrl(settings);
  const container = await findContainerIfReachable(settings.containerName);
  const state = container?.running ? await probeState(url, 5000, signal) : null;
  if (!container || !state || state.phase === "failed") return undefined;
  return {
    model: state.model ?? modelPath(settings) ?? settings.modelId,
    url,
    fix: commandFor(files.name, "up"),
    async isRunning() {
      const now = await findContainerIfReachable(settings.containerName);
      return now?.id === container.id && now.running;
    },
    /** The working copy is the earlier one again: Pulumi makes what it says. Ends when the service is ready. */
    async resume({ wait }) {
      if (!wait) throw new CliError("interrupted");
      progress.log("Going back to the earlier service …");
      const stack = await AutomationStack.open(context, "up", root);
      await stack.up({ signal, onText: (text) => progress.update(text) });
      progress.stop();
    },
  };
}
