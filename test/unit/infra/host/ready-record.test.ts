import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const SCRIPT = readFileSync("infra/aws/host/files/bin/ready-record", "utf8");
/** The function alone: the script itself reads files of a host. */
const FUNCTION = /^def without_usage[\s\S]*?(?=^def )/m.exec(SCRIPT)?.[0] ?? "";

const without = (record: unknown): unknown =>
  JSON.parse(
    execFileSync(
      "python3",
      ["-c", `import json, sys\n${FUNCTION}\nprint(json.dumps(without_usage(json.load(sys.stdin))))`],
      {
        input: JSON.stringify(record),
        encoding: "utf8",
      },
    ),
  );

test("a host reports no change for each picture: the usage goes with the next heartbeat", () => {
  const record = (pictures: number) => ({ phase: "ready", ready: { phase: "ready", usage: { pictures } } });
  expect(without(record(1))).toEqual(without(record(2)));
  expect(without({ phase: "booting", ready: null })).toEqual({ phase: "booting", ready: null });
  expect(SCRIPT).toContain("without_usage(seen) != without_usage(last) and waited >= LEAST_PAUSE");
});
