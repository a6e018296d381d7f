/**
 * What is known of a stack's account and host before `up` and by doctor. In: the stack's wishes, AWS's answers. Out:
 * facts, gathered without changing anything. What AWS would not tell is `unknown`, never taken for bad.
 */
import { join } from "node:path";
import { execa } from "execa";
import type { HostStatus } from "../../../../infra/readiness/host-status.ts";
import type { Context } from "../../../core/context.ts";
import { openIdentity, openQuotas } from "../client/account.ts";
import type { Access } from "../client/client-config.ts";
import type { Ec2 } from "../client/ec2.ts";
import type { DataVolume, Host, TypeFacts } from "../client/ec2-models.ts";
import { describeFailure, ifKnown, type Known } from "../client/errors.ts";
import type { HostWishes } from "../stack/host-requirements.ts";
import { type Attempt, attemptsOf, quotaOf } from "../stack/launch-errors.ts";
import { cudaOf, type DriverFit, driverFor } from "./drivers.ts";

export interface QuotaFacts {
  readonly name: string;
  readonly code: string;
  readonly market: Attempt["market"];
  /** vCPUs that the account may run; null: AWS tells no value for it. */
  readonly limit: Known<number | null>;
  readonly used: Known<number>;
}

export interface AwsFacts {
  readonly stack: string;
  readonly region: string;
  readonly wishes: HostWishes;
  readonly attempts: readonly Attempt[];
  /** False with the reason: nothing else could be asked. */
  readonly caller:
    | { readonly ok: true; readonly account: string; readonly arn: string }
    | { readonly ok: false; readonly why: string };
  readonly types: Known<readonly TypeFacts[]>;
  readonly offerings: Known<Readonly<Record<string, readonly string[]>>>;
  readonly quotas: readonly QuotaFacts[];
  readonly host: Known<Host | undefined>;
  readonly volume: Known<DataVolume | undefined>;
  readonly record: Known<HostStatus | null>;
  /** CUDA of the image's packages, "13.2"; null: not to be told from the lock. */
  readonly cuda: string | null;
  /** Null: the AMI or the CUDA is not in the table. */
  readonly driver: DriverFit | null;
  readonly buildx: boolean;
  readonly tools: { readonly aws: boolean; readonly plugin: boolean };
  readonly now: number;
}

/** What is looked up elsewhere: where the host is found, and what it says of itself. */
export interface StackLooks {
  readonly host: () => Promise<Host | undefined>;
  readonly volume: () => Promise<DataVolume | undefined>;
  readonly record: () => Promise<HostStatus | null>;
}

export async function gatherAwsFacts(
  { paths, files }: Pick<Context, "paths" | "files">,
  access: Access,
  wishes: HostWishes,
  ec2: Ec2,
  looks: StackLooks,
): Promise<AwsFacts> {
  const attempts = attemptsOf(wishes);
  const cuda = cudaOf(join(paths.imageGen, "requirements.lock"));
  const names = [...new Set(attempts.map(({ type }) => type))];
  const caller = await callerOf(access);
  const nothing = { known: false, why: "the credentials do not work" } as const;
  const ask = <T>(look: () => Promise<T>): Promise<Known<T>> => (caller.ok ? ifKnown(look) : Promise.resolve(nothing));
  const [types, offerings, quotas, host, volume, record, buildx, aws, plugin] = await Promise.all([
    ask(() => ec2.types(names)),
    ask(() => ec2.offerings(names)),
    caller.ok ? quotaFacts(access, attempts, ec2) : [],
    ask(looks.host),
    ask(looks.volume),
    ask(looks.record),
    works("docker", ["buildx", "version"]),
    works("aws", ["--version"]),
    works("session-manager-plugin", ["--version"]),
  ]);
  return {
    stack: files.name,
    region: access.region,
    wishes,
    attempts,
    caller,
    types,
    offerings,
    quotas,
    host,
    volume,
    record,
    cuda,
    driver: driverFor(wishes.ami, cuda),
    buildx,
    tools: { aws, plugin },
    now: Date.now(),
  };
}

async function callerOf(access: Access): Promise<AwsFacts["caller"]> {
  try {
    const { account, arn } = await (await openIdentity(access)).caller();
    return { ok: true, account, arn };
  } catch (error) {
    return { ok: false, why: describeFailure(error) };
  }
}

async function quotaFacts(access: Access, attempts: readonly Attempt[], ec2: Ec2): Promise<QuotaFacts[]> {
  const quotas = await openQuotas(access);
  const found = new Map<string, QuotaFacts>();
  for (const { type, market } of attempts) {
    const quota = quotaOf(type, market);
    if (!quota || found.has(quota.code)) continue;
    const { code, name, families } = quota;
    const [limit, used] = await Promise.all([
      ifKnown(() => quotas.ec2(code)),
      ifKnown(() => ec2.vcpusInUse(families, market)),
    ]);
    found.set(code, { name, code, market, limit, used });
  }
  return [...found.values()];
}

async function works(command: string, args: readonly string[]): Promise<boolean> {
  return (await execa(command, args, { reject: false, stdio: "ignore", timeout: 15_000 })).exitCode === 0;
}
