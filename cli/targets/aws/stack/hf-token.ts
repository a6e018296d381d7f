import type { AwsSettings } from "../../../../infra/config/aws/settings.ts";
import type { Context } from "../../../core/context.ts";
import type { LocalStack } from "../../../stack/automation-stack.ts";
import { keepSecret } from "../../../stack/hf-token.ts";

/** A token in the environment is for the build of an image with a gated model in it. A host takes one by its ARN only. */
export async function keepToken(context: Context, stack: LocalStack, settings: AwsSettings): Promise<void> {
  if (!process.env.HF_TOKEN?.trim()) return;
  if (settings.modelCache === "baked") await keepSecret(context, stack);
  else if (settings.hfTokenSecretArn === null) {
    const mend = "put it into Secrets Manager, then imagegen up --config hfTokenSecretArn=<its ARN>";
    context.progress.line(`HF_TOKEN stays here: a host in AWS is not given it. Fix, if the model is gated: ${mend}`);
  }
}
