import type { AwsSettings } from "../../../../infra/config/aws/settings.ts";
import { commandFor } from "../../../core/command-line.ts";
import type { Context } from "../../../core/context.ts";
import { formatDetail } from "../../../core/exit.ts";
import type { AutomationStack } from "../../../stack/automation-stack.ts";
import { saveToken, tokenFromEnvironment } from "../../../stack/hf-token.ts";

/** The environment's token builds an image with a gated model in it. A host gets its token only by the secret's ARN. */
export async function saveBuildToken(context: Context, stack: AutomationStack, settings: AwsSettings): Promise<void> {
  if (!tokenFromEnvironment()) return;
  if (settings.modelCache === "baked") return saveToken(context, stack);
  if (settings.hfTokenSecretArn !== null) return;
  const message = "HF_TOKEN is not passed to a host in AWS. A gated model needs it in Secrets Manager.";
  const fix = commandFor(context.files.name, "up --config hfTokenSecretArn=<its ARN>");
  context.progress.log(formatDetail({ message, fix }));
}
