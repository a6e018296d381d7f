import * as pulumi from "@pulumi/pulumi";
import { expect, test } from "vitest";
import { type LocalOutputs, localOutputs } from "../../infra/docker/outputs.ts";
import { UserError } from "../../infra/errors.ts";
import { checkoutFixes } from "../../infra/fixes.ts";
import { type CheckArgs, checkReady, readyGate } from "../../infra/readiness/docker-gate.ts";
import { type ProbeResult, parseReadyState } from "../../infra/readiness/probe-result.ts";
import { known } from "../support/outputs.ts";
import { runProgram } from "../support/program.ts";
import { planWith } from "../support/settings.ts";

const plan = planWith();
const model = plan.modelId;
const response = (status: number, body: object): ProbeResult => ({
  kind: "response",
  status,
  state: parseReadyState(body),
});
const readyAnswer = response(200, { phase: "ready", error: null, model, device: "cpu", source: "volume" });

/** A service that always says `answer`; an hour passes with every wait. */
function service(answer: ProbeResult, changes: Partial<CheckArgs> = {}) {
  const calls = { asked: 0, reported: 0 };
  let now = 0;
  const check: CheckArgs = {
    plan: plan.readiness,
    fixes: checkoutFixes("blue"),
    containerName: "image-game-image-gen",
    deps: {
      probe: async () => {
        calls.asked++;
        return answer;
      },
      now: () => now,
      sleep: async () => {
        now += 3600;
      },
      onProgress: () => {},
    },
    containerReport: async () => {
      calls.reported++;
      return ["container image-game-image-gen: exited, exit code 1", "no libcuda.so here"];
    },
    ...changes,
  };
  return { check, calls };
}

function gate({ check }: { check: CheckArgs }, preview = false) {
  return readyGate({ ...check, containerId: pulumi.output("id"), preview });
}

test("a ready service opens the gate, and every update probes it again", async () => {
  for (let update = 1; update <= 2; update++) {
    const asked = service(readyAnswer);
    await known(gate(asked));
    expect(asked.calls).toEqual({ asked: 1, reported: 0 });
  }
});

test("a preview asks nobody", async () => {
  const asked = service(readyAnswer);
  await known(gate(asked, true));
  expect(asked.calls.asked).toBe(0);
});

test("a failed service fails the update with its own reason", async () => {
  const error = { code: "GATED_MODEL", message: "Accept the licence.", retryable: false };
  const { check, calls } = service(response(503, { phase: "failed", model, error }));
  const failure = await checkReady(check).catch((reason: unknown) => reason);
  expect(failure).toBeInstanceOf(UserError);
  expect((failure as UserError).message).toBe(
    "image-game-image-gen is not ready at http://127.0.0.1:8000: Accept the licence (GATED_MODEL). " +
      "Its log: docker logs image-game-image-gen",
  );
  expect(calls.reported).toBe(0);
});

test("a wait that is too short names the key for users of pulumi and of imagegen", async () => {
  const { check } = service(response(503, { phase: "loading", model, error: null }));
  await expect(checkReady(check)).rejects.toThrow(
    /pulumi config set readyTimeoutSeconds \d+, or imagegen up --stack blue --config readyTimeoutSeconds=\d+/,
  );
});

test("a silent container is quoted", async () => {
  const { check } = service({ kind: "no-response", reason: "ECONNREFUSED" });
  await expect(checkReady(check)).rejects.toThrow(
    "image-game-image-gen is not ready at http://127.0.0.1:8000: no response (ECONNREFUSED) (NO_RESPONSE). The end of its log:\n" +
      "  container image-game-image-gen: exited, exit code 1\n  no libcuda.so here",
  );
});

test("without its words, the command that shows them is named", async () => {
  const { check } = service({ kind: "no-response", reason: "ECONNREFUSED" }, { containerReport: async () => [] });
  await expect(checkReady(check)).rejects.toThrow(
    /Fix: pulumi up --refresh; the log, if it is there: docker logs image-game-image-gen$/,
  );
});

const made = {
  image: { imageId: pulumi.output("sha256:1"), imageName: pulumi.output("image-gen:0123456789abcdef") },
  cache: { volumeName: pulumi.output("models") },
  host: { containerName: pulumi.output("image-game-image-gen") },
};

async function valuesOf(outputs: LocalOutputs): Promise<Record<string, string>> {
  const entries = Object.entries(outputs).map(async ([key, value]) => [
    key,
    await known(value as pulumi.Output<string>),
  ]);
  return Object.fromEntries(await Promise.all(entries)) as Record<string, string>;
}

test("outputs have the names of the contract", async () => {
  const { result } = await runProgram(async () => {
    return valuesOf(localOutputs(plan, { ...made, ready: gate(service(readyAnswer)), preview: false }));
  });
  expect(result).toEqual({
    url: "http://127.0.0.1:8000",
    readyUrl: "http://127.0.0.1:8000/readyz",
    target: "local",
    modelId: "stabilityai/stable-diffusion-xl-base-1.0",
    modelCache: "volume",
    imageName: "image-gen:0123456789abcdef",
    imageId: "sha256:1",
    containerName: "image-game-image-gen",
    volumeName: "models",
    device: "cpu",
  });
});

test.each([
  ["baked", "cuda:1", { modelCache: "baked", device: "cuda" }],
  ["download", "cpu", { modelCache: "volume", device: "cpu" }],
  [null, null, { modelCache: "baked", device: "cpu" }],
] as const)("of a stack that asked for baked: source %s on %s is %j", async (source, device, expected) => {
  const baked = planWith({ modelCache: "baked" });
  const state = { phase: "ready", error: null, model, device, source };
  const { result } = await runProgram(async () =>
    valuesOf(localOutputs(baked, { ...made, ready: gate(service(response(200, state))), preview: false })),
  );
  expect(result).toMatchObject(expected);
});

test("a preview shows what is known, though nothing is ready", async () => {
  const never = pulumi.output(new Promise<null>(() => {}));
  const outputs = localOutputs(plan, { ...made, ready: never, preview: true });
  expect(await valuesOf(outputs)).toMatchObject({ url: "http://127.0.0.1:8000", modelId: model, modelCache: "volume" });
});

test("no output is there before the gate opens", async () => {
  const never = pulumi.output(new Promise<null>(() => {}));
  const soon = new Promise((resolve) => setTimeout(resolve, 50, "waiting"));
  for (const output of Object.values(localOutputs(plan, { ...made, ready: never, preview: false }))) {
    expect(await Promise.race([known(output as pulumi.Output<string>), soon])).toBe("waiting");
  }
});
