import type { Cloud } from "./cloud.ts";

export type Props = Readonly<Record<string, unknown>>;

/** Something that exists in the account. */
export interface Thing {
  readonly kind: string;
  readonly id: string;
  /** "host 2": a name for people, by kind and order of making. */
  readonly label: string;
  /** As a provider would read it: inputs, and what AWS added. */
  props: Props;
}

/** One type of resource: its schema as far as replacement goes, and what its calls do. */
export interface Kind {
  readonly token: string;
  /** Inputs, or paths into them, whose change takes a new resource (ForceNew in the provider's schema). */
  readonly replaces: readonly string[];
  /** The input that is generated from the logical name when it is left out. */
  readonly nameProperty?: string;
  readonly taggable: boolean;
  /** What the provider fills in for inputs that were left out. */
  readonly defaults?: Props;
  /** Outputs that are unknown until it exists. */
  readonly computed: readonly string[];
  /** Inputs that name another thing, by the other's kind: it must exist, and can't go before this one. */
  readonly references?: Readonly<Record<string, string>>;
  /** Further inputs whose change takes a new resource, when that depends on other inputs. */
  alsoReplaces?(news: Props): readonly string[];
  create(cloud: Cloud, inputs: Props): Thing | Promise<Thing>;
  update(cloud: Cloud, thing: Thing, news: Props, olds: Props): void | Promise<void>;
  /** `state` is what the engine remembers, not what exists. */
  delete(cloud: Cloud, thing: Thing, state: Props): void | Promise<void>;
}

export function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function number(value: unknown, other = 0): number {
  return typeof value === "number" ? value : other;
}

export function record(value: unknown): Props {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Props) : {};
}

export function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}
