import { createServer } from "node:net";
import { execa } from "execa";
import { CliError, EXIT } from "./exit.ts";

/** True when nothing listens at host:port. */
export function isPortFree(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((done) => {
    const probe = createServer();
    probe.once("error", () => done(false));
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => done(true)));
  });
}

/** The program that listens on `port`, as far as this machine reports it: "python3 (pid 4711)". */
export async function portOwner(port: number): Promise<string | undefined> {
  const ss = await execa("ss", ["-Hltnp", `sport = :${port}`], { reject: false, timeout: 3000 });
  const found = /users:\(\("([^"]+)",pid=(\d+)/.exec(String(ss.stdout ?? ""));
  if (found) return `${found[1]} (pid ${found[2]})`;
  const lsof = await execa("lsof", ["-nP", `-iTCP:${port}`, "-sTCP:LISTEN", "-Fpc"], { reject: false, timeout: 3000 });
  const [pid, name] = [/^p(\d+)/m, /^c(.+)/m].map((pattern) => pattern.exec(String(lsof.stdout ?? ""))?.[1]);
  return pid ? `${name ?? "a program"} (pid ${pid})` : undefined;
}

/** Throws a CliError that names the port's owner unless the port is free. `fix`: a command that uses another port. */
export async function requireFreePort(
  port: number,
  { host, owner, fix }: { host?: string; owner?: string | undefined; fix: (port: number) => string },
): Promise<void> {
  if (await isPortFree(port, host)) return;
  const by = owner ?? (await portOwner(port));
  throw new CliError(
    { message: `Port ${port} is taken${by ? ` by ${by}` : ""}.`, fix: fix(port + 1) },
    EXIT.missingPrerequisite,
  );
}
