import { expect, test } from "vitest";
import { Declarations } from "../../../scripts/reference/interfaces.ts";

const TEXT = `/** Where things are. */
interface Place {
  readonly path: string;
}

export interface Result extends Place {
  /** Seconds. */
  readonly seconds: number;
  readonly mount: {
    readonly free: number;
    readonly total: number;
  };
  readonly kind?: Kind;
  readonly port: Settings["port"];
}

type Kind =
  | "docker"
  | "process";
`;
const all = new Declarations({
  "a.ts": TEXT,
  "b.ts": "export interface Settings {\n  readonly port: number | null;\n}\n",
});
const result = all.find("Result");

test("an interface has its parents' fields and its own, with comments, on one line each", () => {
  expect(result && all.fieldsOf(result)).toEqual([
    { name: "path", optional: false, type: "string", text: "" },
    { name: "seconds", optional: false, type: "number", text: "Seconds." },
    { name: "mount", optional: false, type: "{ free: number; total: number; }", text: "" },
    { name: "kind", optional: true, type: "Kind", text: "" },
    { name: "port", optional: false, type: "number | null", text: "" },
  ]);
});

test("the types that an interface names are found with what they stand for, and a type of two meanings is not", () => {
  const types = all.reachedFrom([{ type: "Result | null", file: "a.ts" }]);
  expect(types.map(({ name, alias }) => [name, alias])).toEqual([
    ["Kind", '"docker" | "process"'],
    ["Result", undefined],
  ]);
  const twice = new Declarations({ "a.ts": TEXT, "b.ts": TEXT });
  expect(twice.find("Result")).toBeUndefined();
  expect(twice.find("Result", "b.ts")?.file).toBe("b.ts");
});
