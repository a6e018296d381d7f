import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { AwsProviderFake } from "../../aws-fake/index.ts";
import { hostTypes } from "../../infra/plan/aws/zone.ts";
import type { Context } from "../core/context.ts";
import { CliError, type ErrorDetail, EXIT } from "../core/exit.ts";
import { describeEvent } from "../stack/diagnostics.ts";
import { ensureCli } from "../toolchain/pulumi.ts";
import { addExisting, existingKeys, requireKnownTypes } from "./account.ts";
import { casesOf, type RehearsalCase } from "./cases.ts";
import { runEngine } from "./engine-run.ts";
import { refusalOf } from "./refusal.ts";
import { untestedFacts } from "./untested-facts.ts";

/** What `rehearse --json` prints. */
export interface Rehearsal {
  readonly stack: string;
  readonly region: string;
  /** In the order in which they were made. */
  readonly resources: readonly MadeResource[];
  readonly cases: readonly RehearsedCase[];
  /** Keys of the config that name what exists in AWS: the fake has something of each name. */
  readonly assumed: readonly string[];
  /** What no rehearsal can tell. */
  readonly onlyAws: readonly string[];
}

interface MadeResource {
  readonly type: string;
  readonly name: string;
  /** From the first resource of the rehearsal until this one was there; AWS takes longer. */
  readonly seconds: number;
}

interface RehearsedCase {
  readonly name: string;
  readonly when: string;
  /** How many resources were made before. */
  readonly made: number;
  /** What `up` says. */
  readonly message: string;
  readonly fix: string | null;
}

interface Walk {
  readonly made: readonly MadeResource[];
  /** Null: it succeeded. */
  readonly failure: ErrorDetail | null;
}

/** The types that are no resources of AWS: components, and the engine's own. */
const INTERNAL = /^(?:imagegen|pulumi):/;

/**
 * Deploys the stack against the fake, then once for each of the named cases, or of all that can happen to it. Throws a CliError where the
 * first walk fails, or a named case can't happen.
 */
export async function rehearse(context: Context, cases?: readonly string[]): Promise<Rehearsal> {
  const { paths, files, progress, signal } = context;
  const settings = files.settings("aws");
  requireKnownTypes(settings, files.name);
  const tools = await ensureCli(paths, progress, signal);
  if (!tools.ok) throw new CliError(tools.reason, EXIT.missingPrerequisite);

  const walk = async (title: string, { knobs, host }: Pick<RehearsalCase, "knobs" | "host"> = {}): Promise<Walk> => {
    progress.update(`${title}: Pulumi starts`);
    const fake = await AwsProviderFake.start(knobs?.(hostTypes(settings)[0] ?? ""), settings.region);
    try {
      fake.serve(paths.root);
      addExisting(fake.cloud, settings);
      if (host) fake.hosts.behave(host);
      // The engine's own start is no part of a deployment.
      let begun: number | undefined;
      const made: MadeResource[] = [];
      const onEvent = (event: EngineEvent) => {
        if (event.resourcePreEvent && !INTERNAL.test(event.resourcePreEvent.metadata.type)) begun ??= performance.now();
        const resource = madeIn(event);
        if (resource) made.push({ ...resource, seconds: (performance.now() - (begun ?? performance.now())) / 1000 });
        const text = describeEvent(event);
        if (text) progress.update(`${title}: ${text}`);
      };
      const { root } = tools;
      const input = { paths, root, stack: files.name, config: files.config(), environment: fake.environment, signal };
      const run = await runEngine({ ...input, onEvent });
      return { made, failure: run.ok ? null : await refusalOf(context, settings, fake.cloud, run) };
    } finally {
      await fake.stop();
    }
  };

  const first = await walk("rehearsing");
  if (first.failure)
    throw new CliError({ ...first.failure, message: `The rehearsal failed: ${first.failure.message}` });
  const types = new Set(first.made.map(({ type }) => type));
  const rehearsed: RehearsedCase[] = [];
  for (const each of casesOf(cases, types, files.name)) {
    const { made, failure } = await walk(each.name, each);
    // A refusal that the deployment survives is none.
    const { message, fix } = failure ?? { message: "The deployment succeeds all the same." };
    rehearsed.push({ name: each.name, when: each.when, made: made.length, message, fix: fix ?? null });
  }
  const page = readFileSync(join(paths.root, "docs/aws-untested.md"), "utf8");
  return {
    stack: files.name,
    region: settings.region,
    resources: first.made,
    cases: rehearsed,
    assumed: existingKeys(settings),
    onlyAws: untestedFacts(page),
  };
}

function madeIn({ resOutputsEvent }: EngineEvent): Omit<MadeResource, "seconds"> | undefined {
  if (!resOutputsEvent) return undefined;
  const { op, type, urn } = resOutputsEvent.metadata;
  if (op !== "create" || INTERNAL.test(type)) return undefined;
  return { type, name: urn.split("::").at(-1) ?? "" };
}
