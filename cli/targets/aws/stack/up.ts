import type { AwsSettings } from "../../../../infra/config/aws/settings.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT } from "../../../core/exit.ts";
import { LocalStack, newLog } from "../../../stack/automation-stack.ts";
import { checkedSettings, qualify } from "../../../stack/config.ts";
import { ensureCli } from "../../../toolchain/pulumi.ts";
import { accessOf } from "../client/client-config.ts";
import { openEc2 } from "../client/ec2.ts";
import { preflight } from "../doctor/preflight.ts";
import { startHost } from "../operations/start-stop.ts";
import { keepToken } from "./hf-token.ts";
import {
  type Attempt,
  attemptsOf,
  describeRefusal,
  mendOf,
  nextAttempt,
  type Refusal,
  type Wishes,
} from "./launch-errors.ts";
import { LaunchWatch } from "./launch-timeout.ts";

/** What `up` made of a stack in AWS. */
export interface AwsUp {
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly host: Attempt;
  /** What was written to the stack's config, so that the next run asks for the same. */
  readonly pinned: Readonly<Record<string, string>>;
}

export interface UpInAws {
  /** False: a stopped host stays stopped until it is replaced. */
  readonly startStopped?: boolean;
  /** Volumes that are not to be the stack's any more, and stay as they are. */
  readonly letGo?: readonly string[];
}

/** One run of Pulumi with some values over the stack's config. Its refusal, or undefined when it came to its end. */
type Run = (values: Readonly<Record<string, string>>) => Promise<Refusal | undefined>;

/** Checks the account, brings the stack up, and asks for the next host of the list when AWS has none of the first. */
export async function upInAws(context: Context, options: UpInAws = {}): Promise<AwsUp> {
  const { paths, files, progress, signal } = context;
  const config = files.config();
  const settings = checkedSettings(config);
  if (settings.target !== "aws") throw new CliError(`The stack ${files.name} is not one of AWS.`, EXIT.usage);
  const access = accessOf(files.name, config);
  const { vcpus, host: present } = await preflight(context, settings, access);

  const tools = await ensureCli(paths, progress, signal);
  if (!tools.ok) throw new CliError(tools.message, EXIT.machine);
  const log = newLog(paths, `up-${files.name}`);
  files.write({});
  const stack = await LocalStack.open(paths, files, log, tools.root);
  await keepToken(context, stack, settings);
  await stack.letGo(options.letGo ?? []);

  if (options.startStopped !== false && present?.state === "stopped") {
    progress.line(`Starting the host ${present.id}, which was stopped …`);
    await startHost(context, { name: files.name, ec2: await openEc2(access) }, present);
  }

  let outputs: Readonly<Record<string, unknown>> = {};
  const run: Run = async (values) => {
    files.write({}, qualified(values));
    const watch = new LaunchWatch((line) => progress.line(line));
    const onText = (text: string) => progress.live(text);
    try {
      const made = await stack.up({ signal, onText, onEvent: watch.onEvent, cancel: watch.signal });
      outputs = Object.fromEntries(Object.entries(made).map(([name, { value }]) => [name, value as unknown]));
      return undefined;
    } catch (error) {
      signal.throwIfAborted();
      if (watch.refusal) return watch.refusal;
      throw error;
    } finally {
      watch.stop();
      progress.settle();
    }
  };
  progress.line(`Bringing up the stack ${files.name} in ${access.region} with Pulumi (log ${log}) …`);
  const host = await askInTurn(context, settings, vcpus, run);
  const pinned = pinsOf(settings, host);
  if (Object.keys(pinned).length > 0) {
    const where = files.pin(qualified(pinned));
    progress.line(
      `Kept in ${where}: ${Object.entries(pinned)
        .map(([key, value]) => `${key}=${value}`)
        .join(", ")}`,
    );
  }
  return { outputs, host, pinned };
}

/** Runs with one host after the other until one can be had. Throws a CliError when none can. */
export async function askInTurn(
  { files, progress }: Pick<Context, "files" | "progress">,
  settings: Wishes & Pick<AwsSettings, "selfHealing" | "availabilityZone">,
  vcpus: Readonly<Record<string, number>>,
  run: Run,
): Promise<Attempt> {
  // A group that heals itself goes through the list on its own.
  const attempts = settings.selfHealing ? attemptsOf(settings).slice(0, 1) : attemptsOf(settings);
  const refused: [Attempt, Refusal][] = [];
  for (let attempt = attempts[0]; attempt; attempt = nextAttempt(attempts, refused, vcpus)) {
    const refusal = await run(settings.selfHealing ? {} : valuesOf(settings, attempt));
    if (!refusal) return attempt;
    refused.push([attempt, refusal]);
    const next = nextAttempt(attempts, refused, vcpus);
    const line = describeRefusal(attempt, refusal, settings.availabilityZone);
    if (next) progress.line(`${line}. Next: ${next.type} (${next.market}) …`);
    else throw new CliError(`No host: ${line}. Fix: ${mendOf(files.name, refused)}`);
  }
  throw new CliError("instanceTypes: expected at least one type, got none.", EXIT.usage);
}

/** The config that asks for exactly this host. The market is only said where config leaves it open. */
function valuesOf({ purchaseOption }: Wishes, { type, market }: Attempt): Record<string, string> {
  const fallback = purchaseOption === "spot-then-on-demand";
  return { pinnedInstanceType: type, ...(fallback ? { pinnedPurchaseOption: market } : {}) };
}

/** What has to be written down, so that the next run asks for this host and does not replace it by the first choice. */
export function pinsOf(settings: Wishes & Pick<AwsSettings, "selfHealing">, host: Attempt): Record<string, string> {
  if (settings.selfHealing) return {};
  const [first] = attemptsOf(settings);
  const same = first?.type === host.type && first.market === host.market;
  return same ? {} : valuesOf(settings, host);
}

function qualified(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [qualify(key), value]));
}
