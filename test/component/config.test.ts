import { expect, test } from "vitest";
import { loadConfig } from "../../infra/config/load.ts";
import { UserError } from "../../infra/errors.ts";
import { read } from "../support/outputs.ts";
import { runProgram } from "../support/program.ts";

test("config is read from the project's namespace, with defaults for the rest", async () => {
  const { result } = await runProgram(loadConfig, { config: { modelId: "demo", port: "8002" } });
  expect(result.settings).toMatchObject({ modelId: "demo", port: 8002, modelCache: "volume" });
  expect(result.secrets).toEqual({});
});

test("no config of a test reaches the next", async () => {
  const { result } = await runProgram(loadConfig);
  expect(result.settings).toMatchObject({ modelId: "stabilityai/stable-diffusion-xl-base-1.0", port: 8000 });
});

test("all problems are one error, a line each", async () => {
  const failure = await runProgram(loadConfig, { config: { port: "x", gpu: "x", hfToken: "plain" } }).catch(
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(UserError);
  expect((failure as UserError).problems).toHaveLength(3);
  expect((failure as UserError).message).toContain(
    "Picture-Perfect-Challenge:hfToken: expected a secret, got plain text. Fix: pulumi config set --secret hfToken",
  );
  expect((failure as UserError).message).not.toContain('"plain"');
});

test("a secret token stays one", async () => {
  const { result } = await runProgram(
    async () => {
      const { settings, secrets } = loadConfig();
      return { settings, token: secrets.hfToken ? await read(secrets.hfToken) : null };
    },
    { config: { hfToken: "hf_value" }, secretKeys: ["hfToken"] },
  );
  expect(result.settings).toMatchObject({ hasToken: true });
  expect(JSON.stringify(result.settings)).not.toContain("hf_value");
  expect(result.token).toEqual({ value: "hf_value", known: true, secret: true });
});
