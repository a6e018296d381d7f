import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { expect, test } from "vitest";
import { describeEvent, explainFailure, findReasons, reasonInOutput } from "../../../cli/stack/diagnostics.ts";

const error = (message: string): EngineEvent => event(message, "error");
const event = (message: string, severity: "error" | "info" | "warning"): EngineEvent =>
  ({ sequence: 1, timestamp: 0, diagnosticEvent: { message, severity, color: "never" } }) as EngineEvent;

test("a user's mistake is shown as the program worded it, without colours", () => {
  const problems = "P:port: expected 1 to 65535, got 0.\nP:gpu: expected auto, got maybe.";
  expect(findReasons([error(`<{%reset%}>${problems}\n<{%reset%}>`), error("update failed")])).toEqual([problems]);
});

test("an exception is its message without a stack", () => {
  const text =
    "Running program '/x/infra/index.ts' failed with an unhandled exception:\nError: no manifest\n    at a (b.ts:1:2)";
  expect(findReasons([error(text)])).toEqual(["no manifest"]);
});

test("a provider's error is freed of where in the provider it was written", () => {
  const text = "  sdk-v2/provider2.go:571: sdk.helper_schema: port is already allocated: provider=docker@5.2.0";
  const doubled = "1 error occurred:\n\t* port is already allocated\n\n";
  expect(findReasons([error(text), error(doubled), error("update failed")])).toEqual(["port is already allocated"]);
});

test("a container that Compose has started is named with the way to take over from it", () => {
  const text =
    'Error response from daemon: Conflict. The container name "/image-game-image-gen" is already in use by container "f7d0".';
  expect(explainFailure([error(text)], new Error("up failed"), "blue")).toEqual({
    message: expect.stringContaining("already in use") as string,
    fix: "it was started without Pulumi: docker compose down, or docker rm --force image-game-image-gen; then imagegen up --stack blue (the volume stays)",
  });
});

test("the program's own error comes before the provider's, which it explains", () => {
  const urn = "urn:pulumi:local::P::imagegen:image:ServingImage$docker:index/remoteImage:RemoteImage::image-gen-image";
  const of = (message: string, from: string) =>
    ({
      sequence: 1,
      timestamp: 0,
      diagnosticEvent: { message, urn: from, severity: "error", color: "never" },
    }) as EngineEvent;
  const provider = of("Error running buildx build: exit code: 1", urn);
  const own = of("The image could not be built: so near.", "urn:pulumi:local::P::pulumi:pulumi:Stack::P-local");
  expect(findReasons([provider, own])).toEqual([
    "The image could not be built: so near.",
    "Error running buildx build: exit code: 1",
  ]);
});

test("only errors are reasons", () => {
  expect(findReasons([event("careful", "warning"), event("hello", "info")])).toEqual([]);
});

test("what Pulumi prints before it has an engine is read from its output", () => {
  const output = "Command failed with exit code 255: pulumi up\nerror: error: incorrect passphrase\n";
  expect(reasonInOutput(output)).toBe("incorrect passphrase");
  expect(explainFailure([], new Error(output), "local")).toEqual({
    message: "incorrect passphrase",
    fix: expect.stringContaining("PULUMI_CONFIG_PASSPHRASE") as string,
  });
});

test("without any reason the first line is shown", () => {
  expect(explainFailure([], new Error("spawn pulumi ENOENT\n  at x"), "local")).toEqual({
    message: "spawn pulumi ENOENT",
  });
});

test("steps and the last line of a message make the live line", () => {
  const metadata = { op: "create", urn: "urn:pulumi:local::P::docker:index/container:Container::image-gen-container" };
  const step = {
    resourcePreEvent: { metadata: { ...metadata, type: "docker:index/container:Container" } },
  } as EngineEvent;
  expect(describeEvent(step)).toBe("Pulumi: create Container image-gen-container");
  const same = { resourcePreEvent: { metadata: { ...metadata, op: "same", type: "a:b:C" } } } as EngineEvent;
  expect(describeEvent(same)).toBeUndefined();
  expect(describeEvent(event("Step 3/9\nRUN pip install\n\n", "info"))).toBe("RUN pip install");
  expect(describeEvent(error("update failed"))).toBeUndefined();
});
