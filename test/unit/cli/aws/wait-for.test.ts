import { expect, test } from "vitest";
import { waitFor } from "../../../../cli/targets/aws/client/wait-for.ts";

const { signal } = new AbortController();

test("a wait ends with what was found", async () => {
  let polls = 0;
  const options = { signal, timeoutSeconds: 5, everySeconds: 0.001 };
  expect(await waitFor("A host", options, async () => (++polls < 3 ? undefined : "found"))).toBe("found");
  expect(polls).toBe(3);
});

test("a wait that takes too long names what it was for, and the fix of its caller", async () => {
  const options = { signal, timeoutSeconds: 0.01, everySeconds: 0.004, fix: "imagegen status --stack aws-fleet" };
  const waiting = waitFor("The end of the hosts of aws-fleet", options, async () => undefined);
  await expect(waiting).rejects.toThrow(
    "The end of the hosts of aws-fleet: timeout after 0 s. Fix: imagegen status --stack aws-fleet",
  );
});

test("a wait ends at once where it is interrupted", async () => {
  const controller = new AbortController();
  const waiting = waitFor("A host", { signal: controller.signal, timeoutSeconds: 60, everySeconds: 30 }, async () => {
    setTimeout(() => controller.abort(), 10);
    return undefined;
  });
  await expect(waiting).rejects.toThrow(/abort/i);
});
