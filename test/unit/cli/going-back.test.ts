import { describe, expect, test } from "vitest";
import { CliError, EXIT } from "../../../cli/core/exit.ts";
import { type EarlierService, orGoBack } from "../../../cli/targets/earlier.ts";

function setting(changes: Partial<EarlierService> = {}) {
  const calls: string[] = [];
  const earlier: EarlierService = {
    model: "a/b",
    url: "http://127.0.0.1:8000",
    fix: "imagegen up",
    isRunning: async () => false,
    resume: async ({ wait }) => void calls.push(`resume, wait: ${wait}`),
    ...changes,
  };
  const controller = new AbortController();
  const undo = () => void calls.push("undo");
  const failing = (error: unknown, of: EarlierService | undefined = earlier) =>
    orGoBack(of, { signal: controller.signal, undo, log: () => {} }, async () => {
      throw error;
    }).then(
      () => {
        throw new Error("it did not fail");
      },
      (thrown: unknown) => thrown as CliError,
    );
  return { calls, controller, failing };
}
const failure = new CliError({ message: "c/d can't be loaded.", fix: "imagegen logs" });

describe("an up that fails", () => {
  test("says why, and that the earlier service runs again", async () => {
    const { calls, failing } = setting();
    expect((await failing(failure)).message).toBe(
      "c/d can't be loaded. Fix: imagegen logs\nThe earlier service (a/b) runs again at http://127.0.0.1:8000.",
    );
    expect(calls).toEqual(["undo", "resume, wait: true"]);
  });

  test("leaves a service alone that was not stopped", async () => {
    const { calls, failing } = setting({ isRunning: async () => true });
    expect((await failing(failure)).message).toContain("The earlier service (a/b) still runs at");
    expect(calls).toEqual(["undo"]);
  });

  test("says when going back fails as well", async () => {
    const { failing } = setting({ resume: () => Promise.reject(new CliError("no room")) });
    expect((await failing(failure)).message).toMatch(
      /loaded.*\n.*could not be started again: no room\. Fix: imagegen up/,
    );
  });

  test("does not wait after Ctrl-C", async () => {
    const { calls, controller, failing } = setting();
    controller.abort();
    const error = await failing(new Error("aborted"));
    expect(error.message).toBe("interrupted\nThe earlier service (a/b) starts again at http://127.0.0.1:8000.");
    expect(error.exitCode).toBe(EXIT.interrupted);
    expect(calls).toEqual(["undo", "resume, wait: false"]);
  });

  test("without an earlier service is what it was; what it wrote stays for logs", async () => {
    const { calls } = setting();
    const start = () => Promise.reject(failure);
    const undo = () => void calls.push("undo");
    const how = { signal: new AbortController().signal, undo, log: () => {} };
    await expect(orGoBack(undefined, how, start)).rejects.toBe(failure);
    expect(calls).toEqual([]);
    const lacking = new CliError("Port 8000 is taken.", EXIT.missingPrerequisite);
    await expect(orGoBack(undefined, how, () => Promise.reject(lacking))).rejects.toBe(lacking);
    expect(calls).toEqual(["undo"]);
  });
});
