import type { Context } from "../core/context.ts";
import type { LocalStack } from "./automation-stack.ts";
import { qualify } from "./config.ts";

/** A token in the environment becomes the stack's secret, so that later runs have it as well. */
export async function keepSecret({ files, progress }: Context, stack: LocalStack): Promise<void> {
  const token = process.env.HF_TOKEN?.trim();
  if (!token) return;
  const key = qualify("hfToken");
  await stack.setSecret(key, token);
  const secret = files.secretOf(key);
  if (secret) files.keep({ [key]: secret });
  progress.line("HF_TOKEN is kept, encrypted, for this stack.");
}
