import { planAwsHost } from "../../../../infra/plan/aws/host.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT } from "../../../core/exit.ts";
import { checkedSettings, qualify } from "../../../stack/config.ts";
import { explainAws } from "../client/errors.ts";
import { type AwsStack, findHost, openStack } from "../stack/stack.ts";

export interface Pinned {
  readonly amiId: string;
  /** Where it comes from: the host that is there, Amazon's list, or the config as it was. */
  readonly from: "host" | "newest" | "config";
  readonly before: string | null;
  /** Whether the next `up` makes a new host of it. */
  readonly replaces: boolean;
  readonly file: string | null;
}

/**
 * Writes the machine image into the stack's config: the one that the host was made from, so that nothing changes; the
 * newest where there is no host, or with `refresh`.
 */
export async function pinAmi(context: Context, { refresh }: { refresh?: boolean }): Promise<Pinned> {
  const { files } = context;
  const settings = checkedSettings(files.config());
  if (settings.target !== "aws")
    throw new CliError(`The stack ${files.name} has no machine image: it is not in AWS.`, EXIT.usage);
  const stack = await openStack(context);
  const host = await findHost(stack);
  const before = settings.amiId;
  if (before !== null && !refresh)
    return { amiId: before, from: "config", before, replaces: host !== undefined && host.ami !== before, file: null };
  const kept = refresh ? undefined : host?.ami;
  const amiId = kept ?? (await newestAmi(stack, planAwsHost(settings, files.name, 0).amiParameter));
  const replaces = host !== undefined && host.ami !== amiId;
  const file = amiId === before ? null : files.pin({ [qualify("amiId")]: amiId });
  return { amiId, from: kept ? "host" : "newest", before, replaces, file };
}

/** What Amazon, or NVIDIA through it, publishes as the newest image of that kind in this region. */
async function newestAmi({ ssm, access }: AwsStack, parameter: string): Promise<string> {
  try {
    const found = await ssm.parameter(parameter);
    if (found && /^ami-[0-9a-f]+$/.test(found)) return found;
    throw new CliError(
      `${access.region} has no machine image under ${parameter}. Fix: set amiId yourself, or another ami`,
    );
  } catch (error) {
    throw explainAws(error, "looking up the newest machine image");
  }
}

export function describePinned({ amiId, from, before, replaces, file }: Pinned, stack: string): string {
  const sources = { host: "what the host was made from", newest: "the newest", config: "as it was" };
  const lines = [`amiId=${amiId} (${sources[from]}${before && before !== amiId ? `; before: ${before}` : ""})`];
  if (file) lines.push(`Written to ${file}.`);
  if (replaces) lines.push(`The next imagegen up --stack ${stack} replaces the host; the volume stays.`);
  return lines.join("\n");
}
