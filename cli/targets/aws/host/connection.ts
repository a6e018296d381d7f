import { connect } from "node:net";
import { execa } from "execa";
import { SERVICE_PORT, serviceUrl } from "../../../../infra/contract.ts";
import { commandFor, notRunning } from "../../../core/command-line.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT, lastLine } from "../../../core/exit.ts";
import { requireFreePort } from "../../../core/ports.ts";
import type { Connection } from "../../target.ts";
import { waitFor } from "../client/wait-for.ts";
import { type AwsStack, openStack, requireRunning } from "../stack/stack.ts";

const OPEN_S = 30;

/** To the load balancer, or through a tunnel with the local end `port` (default: the stack's port). */
export async function openConnection(context: Context, port?: number): Promise<Connection> {
  const { name } = context.files;
  const settings = context.files.settings("aws");
  const stack = await openStack(context);
  if (settings.access !== "alb") return openTunnel(context, stack, port ?? settings.port);
  await requireRunning(stack);
  const { url } = stack.state;
  if (url) return { url, close: () => {} };
  throw notRunning(name, `The stack ${name} has no address yet.`);
}

/** Opens a port-forwarding session of Systems Manager, by AWS's own tools. Waits until the local port accepts connections. */
async function openTunnel({ signal }: Context, stack: AwsStack, port: number): Promise<Connection> {
  await requireTools();
  const host = await requireRunning(stack);
  await requireFreePort(port, { fix: (next) => commandFor(stack.name, `open --port ${next}`) });
  const { region, profile } = stack.client;
  const parameters = JSON.stringify({ portNumber: [String(SERVICE_PORT)], localPortNumber: [String(port)] });
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
    const reason = lastLine(`${stderr}\n${stdout}`);
    const message = `The tunnel to ${host.id} was closed${reason ? `: ${reason}` : ""}.`;
    throw new CliError({ message, fix: commandFor(stack.name, "open") });
  });
  ended.catch(() => {});
  const open = waitFor(`A tunnel to ${host.id}`, { signal, timeoutSeconds: OPEN_S, everySeconds: 0.2 }, async () =>
    (await acceptsConnections(port)) ? true : undefined,
  );
  try {
    await Promise.race([open, ended]);
  } catch (error) {
    close();
    throw error;
  }
  return { url: serviceUrl({ bindAddress: "127.0.0.1", port }), ended, close };
}

/** The tools that a tunnel needs on the operator's machine, and how to install them. */
export const TUNNEL_TOOLS: Readonly<Record<string, string>> = {
  aws: "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
  "session-manager-plugin":
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html",
};

async function requireTools(): Promise<void> {
  for (const [tool, fix] of Object.entries(TUNNEL_TOOLS)) {
    const { failed } = await execa(tool, ["--version"], { reject: false, stdio: "ignore", timeout: 15_000 });
    if (failed) throw new CliError({ message: `${tool} is not installed.`, fix }, EXIT.missingPrerequisite);
  }
}

/** Tested by connecting: binding the port could take it from the tunnel. */
function acceptsConnections(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.once("connect", () => done(true)).once("error", () => done(false));
    socket.once("connect", () => socket.destroy());
  });
}
