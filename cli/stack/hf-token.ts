import { qualifyKey } from "../../infra/config/problem.ts";
import { TOKEN_KEY } from "../../infra/config/schema.ts";
import { TOKEN_VARIABLE } from "../../infra/contract.ts";
import type { Context } from "../core/context.ts";
import type { AutomationStack } from "./automation-stack.ts";

/** The Hugging Face token of the environment, which later runs of the stack need as well. */
export const tokenFromEnvironment = (): string | undefined => process.env[TOKEN_VARIABLE]?.trim() || undefined;

/** Saves the token of the environment, encrypted, as the stack's secret. */
export async function saveToken({ files, progress }: Context, stack: AutomationStack): Promise<void> {
  const token = tokenFromEnvironment();
  if (!token) return;
  const key = qualifyKey(TOKEN_KEY);
  await stack.setSecret(key, token);
  const secret = files.secretOf(key);
  if (secret) files.saveOverrides({ [key]: secret });
  progress.log("HF_TOKEN is saved, encrypted, for this stack.");
}
