import { connect } from "node:net";
import { execa } from "execa";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT } from "../../../core/exit.ts";
import { isPortFree } from "../../../core/ports.ts";
import { until } from "../client/wait-for.ts";
import { TUNNEL_MENDS } from "../doctor/install-links.ts";
import { type AwsStack, requireRunning } from "../stack/stack.ts";

/** A port of this machine that leads to the service on the host. */
export interface Tunnel {
  readonly url: string;
  /** Ends when the tunnel does; rejects with the reason unless `close` was called. */
  readonly ended: Promise<void>;
  close(): void;
}

/** The service's port on the host, which listens on its loopback only. */
const HOST_PORT = 8000;
const OPEN_S = 30;

/** Opens a port-forwarding session of Systems Manager, by AWS's own tools. Waits until the local port takes connections. */
export async function openTunnel({ signal }: Context, stack: AwsStack, port: number): Promise<Tunnel> {
  await requireTools();
  const host = await requireRunning(stack);
  if (!(await isPortFree(port)))
    throw new CliError(`Port ${port} is taken. Fix: imagegen open --port ${port + 1}`, EXIT.machine);
  const { region, profile } = stack.access;
  const parameters = JSON.stringify({ portNumber: [String(HOST_PORT)], localPortNumber: [String(port)] });
  const session = ["ssm", "start-session", "--target", host.id, "--region", region];
  const document = ["--document-name", "AWS-StartPortForwardingSession", "--parameters", parameters];
  const child = execa("aws", [...session, ...(profile ? ["--profile", profile] : []), ...document], {
    stdin: "ignore",
    reject: false,
    cancelSignal: signal,
    // The plugin is a child of `aws`: both end by the group's signal.
    detached: process.platform !== "win32",
  });
  let closing = false;
  const close = () => {
    closing = true;
    if (child.pid === undefined) return;
    try {
      process.kill(process.platform === "win32" ? child.pid : -child.pid, "SIGTERM");
    } catch {
      // It has ended by itself.
    }
  };
  signal.addEventListener("abort", close, { once: true });
  const ended = child.then(({ stderr, stdout }) => {
    if (closing || signal.aborted) return;
    const reason = `${stderr}\n${stdout}`.trim().split("\n").at(-1);
    throw new CliError(`The tunnel to ${host.id} has ended${reason ? `: ${reason}` : ""}.`);
  });
  ended.catch(() => {});
  const open = until(`A tunnel to ${host.id}`, { signal, timeoutSeconds: OPEN_S, everySeconds: 0.2 }, async () =>
    (await takesConnections(port)) ? true : undefined,
  );
  try {
    await Promise.race([open, ended]);
  } catch (error) {
    close();
    throw error;
  }
  return { url: `http://127.0.0.1:${port}`, ended, close };
}

async function requireTools(): Promise<void> {
  for (const tool of ["aws", "session-manager-plugin"]) {
    const { failed } = await execa(tool, ["--version"], { reject: false, stdio: "ignore", timeout: 15_000 });
    if (failed) throw new CliError(`${tool} is not installed. Fix: ${TUNNEL_MENDS[tool]}`, EXIT.machine);
  }
}

/** Asked by connecting: a look that binds the port could take it from the tunnel. */
function takesConnections(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.once("connect", () => done(true)).once("error", () => done(false));
    socket.once("connect", () => socket.destroy());
  });
}
