/** A stack's state as `pulumi stack export` prints it, as far as secrets are concerned. */

/** Marks an object that stands for something else, and its value for a secret. */
export const SIGNATURE = "4dabf18193072939515e22adb298388d";
export const SECRET = "1b47061264138c4ac30d75fd1eb44270";

export interface Resource {
  readonly urn: string;
  readonly type: string;
  readonly inputs?: unknown;
  readonly outputs?: unknown;
}

export interface StackExport {
  readonly version: number;
  readonly deployment: {
    readonly resources?: readonly Resource[];
    readonly [field: string]: unknown;
  };
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
