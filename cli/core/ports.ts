import { createServer } from "node:net";
import { execa } from "execa";

/** True when nothing listens at host:port. */
export function isPortFree(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((done) => {
    const probe = createServer();
    probe.once("error", () => done(false));
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => done(true)));
  });
}

/** The program that listens on `port`, as far as this machine tells us: "python3 (pid 4711)". */
export async function portOwner(port: number): Promise<string | undefined> {
  const ss = await execa("ss", ["-Hltnp", `sport = :${port}`], { reject: false, timeout: 3000 });
  const found = /users:\(\("([^"]+)",pid=(\d+)/.exec(String(ss.stdout ?? ""));
  if (found) return `${found[1]} (pid ${found[2]})`;
  const lsof = await execa("lsof", ["-nP", `-iTCP:${port}`, "-sTCP:LISTEN", "-Fpc"], { reject: false, timeout: 3000 });
  const [pid, name] = [/^p(\d+)/m, /^c(.+)/m].map((pattern) => pattern.exec(String(lsof.stdout ?? ""))?.[1]);
  return pid ? `${name ?? "a program"} (pid ${pid})` : undefined;
}
