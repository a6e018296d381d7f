import { execa } from "execa";

/** Why no engine can be driven here, in one line; the fake itself needs nothing but Node. */
export async function missingForAws(): Promise<string | undefined> {
  const version = await execa("pulumi", ["version"], { reject: false, timeout: 20_000, stdio: "ignore" });
  return version.exitCode === 0 ? undefined : "`pulumi` is not on PATH.";
}
