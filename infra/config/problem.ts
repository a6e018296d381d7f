import { imagegenCommand, shellWord } from "../command-line.ts";
import { PROJECT } from "../contract.ts";
import { maskLogin } from "./login.ts";

/** A mistake in a stack's config, as data; each front end words it with the command that its user has. */
export interface Problem {
  /** The key with its namespace, as Pulumi spells it. */
  readonly path: string;
  readonly expected: string;
  /** Never a secret. */
  readonly got: string;
  readonly fix: Fix;
}

/** Keys of the project's own namespace stand without it. */
export type Fix =
  | { readonly set: string; readonly value: string; readonly unset?: string }
  | { readonly unset: string }
  /** A secret, and the variable that `imagegen up` takes it from; `or`: another way. */
  | {
      readonly secret: string;
      readonly variable: string;
      readonly or?: { readonly set: string; readonly value: string };
    }
  | { readonly text: string };

/** Where a value of a stack's config comes from, as the command knows it. */
export type Origin = "flag" | "shell" | "kept" | "file";

/** A key of the project's namespace as Pulumi spells it; another one as it is. */
export const qualifyKey = (key: string): string => (key.includes(":") ? key : `${PROJECT}:${key}`);

/** For a user of `pulumi`. */
export function wordForPulumi(problem: Problem): string {
  return `${describeProblem(problem)}. Fix: ${pulumiFix(problem.fix)}`;
}

/** The stack that `imagegen` works on, and where its values come from. */
export interface ConfigOrigins {
  readonly stack: string;
  readonly originOf: (path: string) => Origin;
  /** The variable that a value of the origin `shell` comes from. */
  readonly variableOf?: (path: string) => string | undefined;
}

/** `stack`: another than the one that Pulumi has selected. */
export function pulumiFix(fix: Fix, stack?: string): string {
  if ("text" in fix) return fix.text;
  const named = (command: string) => (stack === undefined ? command : `${command} --stack ${shellWord(stack)}`);
  if ("secret" in fix) {
    const { secret: key } = fix;
    const ways = [`pulumi config set --secret ${key}`];
    if (fix.or) ways.push(`pulumi config set ${fix.or.set} ${quoted(fix.or.value)}`);
    return ways.map(named).join(", or ");
  }
  const remove = fix.unset === undefined ? [] : [`pulumi config rm ${fix.unset}`];
  const set = "set" in fix ? [`pulumi config set ${fix.set} ${quoted(fix.value)}`] : [];
  return [...remove, ...set].map(named).join(" && ");
}

/** For a user of `imagegen`; `up`: how they start it. */
export function imagegenFix(
  fix: Fix,
  { stack, originOf, variableOf }: ConfigOrigins,
  up: string = imagegenCommand(stack, "up"),
): string {
  if ("text" in fix) return fix.text;
  if ("secret" in fix) {
    const ways = [`export ${fix.variable}=…, then ${up}`];
    if (fix.or) ways.push(`${up} ${flag(fix.or.set, fix.or.value)}`);
    return ways.join(", or ");
  }
  const set = "set" in fix ? ` ${flag(fix.set, fix.value)}` : "";
  if (fix.unset === undefined) {
    const variable = "set" in fix ? variableOf?.(qualifyKey(fix.set)) : undefined;
    return `${variable === undefined ? "" : `unset ${variable}, or `}${up}${set}`;
  }
  switch (originOf(qualifyKey(fix.unset))) {
    case "flag":
      return set === "" ? `remove --config ${fix.unset}=…` : `replace --config ${fix.unset}=… by${set}`;
    case "shell": {
      const variable = variableOf?.(qualifyKey(fix.unset)) ?? "";
      return set === "" ? `unset ${variable}` : `unset ${variable}, then ${up}${set}`;
    }
    case "kept":
      return `${up} --reset-config${set}`;
    case "file": {
      const remove = `remove ${fix.unset} from stacks/Pulumi.${stack}.yaml`;
      return set === "" ? remove : `${remove}, then ${up}${set}`;
    }
  }
}

export const describeProblem = ({ path, expected, got }: Problem) =>
  `${path}: expected ${expected}, got ${maskLogin(got)}`;

const quoted = (value: string) => (value === "" ? '""' : shellWord(value));
const flag = (key: string, value: string) => `--config ${shellWord(`${key}=${value}`)}`;
