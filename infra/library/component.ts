import { existsSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import type { AwsSettings } from "../config/aws/settings.ts";
import type { FleetSettings } from "../config/fleet/settings.ts";
import type { Secrets } from "../config/load.ts";
import { parseSettings } from "../config/parse.ts";
import { SECRET_KEYS, TOKEN_KEY } from "../config/schema.ts";
import type { LocalSettings, Settings } from "../config/settings.ts";
import { CONTAINER_NAME } from "../contract.ts";
import { UserError } from "../errors.ts";
import type { ProgramContext } from "../program-context.ts";
import type { BuildArguments } from "./argument.ts";
import { componentFixes, wordForArguments } from "./fixes.ts";

/** Arguments as a program gives them, and those whose values are known. */
export type GivenArguments = Readonly<Record<string, unknown>>;

/** Keys that are secrets whatever they hold: they are accepted as plain text, and hidden from there on. */
export const ALWAYS_SECRET: readonly string[] = [TOKEN_KEY, "apiKey"];
const isSecretKey = (key: string) => SECRET_KEYS.some((each) => each === key);

/**
 * Calls `make` with arguments whose values are known: at once where they are plain, and later where some are outputs. A secret stays
 * an output. In a preview in which one is not known yet, nothing is made, and a warning says so. What `make` has to look up first, it
 * may wait for.
 */
export function whenKnown<Outputs extends object>(
  component: pulumi.Resource,
  args: GivenArguments,
  names: readonly (keyof Outputs & string)[],
  make: (args: GivenArguments) => Outputs | Promise<Outputs>,
): Begun<Outputs> {
  const entries = Object.entries(args).filter(([, value]) => value !== undefined);
  const secret = entries.filter(([key, value]) => isSecretKey(key) && isLater(value));
  const rest = entries.filter((entry) => !secret.includes(entry));
  const together = (known: GivenArguments) => make({ ...known, ...Object.fromEntries(secret) });
  const later = rest.filter(([, value]) => isLater(value)).map(([key]) => key);
  if (later.length === 0) {
    const made = together(Object.fromEntries(rest));
    if (!(made instanceof Promise)) return { outputs: made, settled: async () => {} };
    return { outputs: fieldsOf(names, pulumi.output(made.then(held))), settled: async () => void (await made) };
  }
  const known = pulumi.output(Object.fromEntries(rest)) as unknown as pulumi.Output<GivenArguments> & Knowledge;
  void known.isKnown.then(async (isKnown) => {
    if (isKnown) return;
    const text = `Its resources are not shown: ${later.join(", ")}: not all of it is known before an update`;
    await pulumi.log.warn(text, component);
  });
  const made = known.apply(async (values) => held(await together(values)));
  const settled = async () => {
    if (await known.isKnown) await new Promise((resolve) => made.apply(resolve));
  };
  return { outputs: fieldsOf(names, made), settled };
}

/** What `whenKnown` has begun: the outputs, and how to wait until all resources are registered. */
interface Begun<Outputs> {
  readonly outputs: Outputs;
  readonly settled: () => Promise<void>;
}

/** In a function, where `pulumi.output` leaves outputs as they are: else each would wait until all are known. */
const held =
  <Outputs extends object>(outputs: Outputs) =>
  () =>
    outputs;

/** An output for each name, once the outputs are there. */
function fieldsOf<Outputs extends object>(
  names: readonly (keyof Outputs & string)[],
  made: pulumi.Output<() => Outputs>,
): Outputs {
  return Object.fromEntries(names.map((name) => [name, made.apply((get) => get()[name])])) as unknown as Outputs;
}

interface Knowledge {
  readonly isKnown: Promise<boolean>;
}

const isLater = (value: unknown): boolean =>
  pulumi.Output.isInstance(value) ||
  value instanceof Promise ||
  (typeof value === "object" && value !== null && Object.values(value).some(isLater));

/** The settings that arguments stand for, and their secrets. Throws one `UserError` with every problem. */
export function readArguments<Target extends Settings["target"]>(
  component: string,
  target: Target,
  args: GivenArguments,
  region?: string,
): { readonly settings: Extract<Settings, { target: Target }>; readonly secrets: Secrets } {
  const given = Object.entries(args).filter(
    ([key, value]) => value !== undefined && value !== null && key !== "target",
  );
  const isHidden = ([key, value]: [string, unknown]) =>
    isSecretKey(key) && (ALWAYS_SECRET.includes(key) || isLater(value));
  const hidden = given.filter((entry) => isHidden(entry) && entry[1] !== "");
  const plain = given.filter((entry) => !hidden.includes(entry)).map(([key, value]) => [key, textOf(value)]);
  const secretKeys = hidden.map(([key]) => key);
  const parsed = parseSettings({ ...Object.fromEntries(plain), target }, { region, secretKeys });
  if ("problems" in parsed) throw new UserError(parsed.problems.map((problem) => wordForArguments(component, problem)));
  const secrets = hidden.map(([key, value]) => [
    key,
    pulumi.secret(value as pulumi.Input<string>).apply((known) => textOf(known).trim()),
  ]);
  return {
    settings: parsed.settings as Extract<Settings, { target: Target }>,
    secrets: Object.fromEntries(secrets) as Secrets,
  };
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(String).join(",");
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

/** What a component's resources in AWS are called after. With the project: two of an account may have stacks of one name. */
export const stackOf = (name: string) => `${pulumi.getProject()}-${pulumi.getStack()}-${name}`;

/** What the target's program is given by a component. */
export function contextOf(
  component: pulumi.ComponentResource,
  name: string,
  { settings, secrets }: { readonly settings: LocalSettings | AwsSettings | FleetSettings; readonly secrets: Secrets },
  { dockerfile, buildContext }: { readonly [Name in keyof BuildArguments]?: unknown },
): ProgramContext {
  for (const [key, value, kind] of [
    ["dockerfile", dockerfile, "file"] as const,
    ["buildContext", buildContext, "folder"] as const,
  ]) {
    if (value === undefined || existsSync(textOf(value))) continue;
    const got = `got ${textOf(value)}, which is not there`;
    throw new UserError(`${name}: ${key}: expected a ${kind}, ${got}. Fix: ${key}: <path of a ${kind}>`);
  }
  const stack = stackOf(name);
  const isLocal = settings.target === "local";
  // Docker's socket belongs to root on a host.
  const container = isLocal ? ["docker", "exec", settings.containerName] : ["sudo", "docker", "exec", CONTAINER_NAME];
  const serviceCommand = [...container, "image-gen"].join(" ");
  const region = isLocal ? "" : settings.region;
  return {
    name,
    stack,
    checkout: process.cwd(),
    preview: pulumi.runtime.isDryRun(),
    secrets,
    fixes: componentFixes({ name, stack, region, serviceCommand, isFleet: settings.target === "fleet" }),
    report: (line) => void pulumi.log.info(line, component, undefined, true),
    component: {
      opts: { parent: component },
      owner: { component: name, stack: pulumi.getStack(), checkout: process.cwd() },
      imageGen: buildContext === undefined ? relativeTo(join(packageRoot(), "image-gen")) : textOf(buildContext),
      dockerfile: dockerfile === undefined ? null : textOf(dockerfile),
    },
  };
}

/** Relative, where it is: the state is then the same wherever the project lies. */
const relativeTo = (path: string) => relative(process.cwd(), path).replaceAll("\\", "/");

/** Sources and compiled code lie at different depths. */
function packageRoot(folder: string = import.meta.dirname): string {
  return existsSync(join(folder, "image-gen/Dockerfile")) ? folder : packageRoot(dirname(folder));
}
