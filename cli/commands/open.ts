import type { Command } from "commander";
import { execa } from "execa";
import { action, print } from "../core/context.ts";
import { portNumber } from "../core/options.ts";
import { selectTarget } from "../targets/select.ts";

const HELP = `
Examples:
  imagegen open            the service's page in the browser; without a browser, its address
  imagegen open --stack aws-volume --port 8001     through a tunnel to the host, until Ctrl-C`;

/** What `open --json` prints. */
interface OpenResult {
  readonly url: string;
  /** Whether a browser was started. */
  readonly opened: boolean;
}

export function addOpen(program: Command, signal: AbortSignal): void {
  program
    .command("open")
    .description("open the service's page in the browser")
    .option("--port <port>", "AWS: the local port of the tunnel (default: the stack's port)", portNumber("--port"))
    .addHelpText("after", HELP)
    .action(
      action<{ port?: number }, []>(signal, async (context, { port }) => {
        const { url, ended } = await (await selectTarget(context)).open(port);
        const result: OpenResult = { url, opened: await openBrowser(url) };
        print(context, result, () => url);
        if (ended) context.progress.log("Ctrl-C closes the tunnel.");
        await ended;
      }),
    );
}

async function openBrowser(url: string): Promise<boolean> {
  const opener = browserCommand(process.platform, process.env);
  if (!opener) return false;
  const [file, ...args] = opener;
  const result = await execa(file, [...args, url], { reject: false, stdio: "ignore", timeout: 5000 });
  return result.exitCode === 0;
}

/** The command that opens an address on this system; undefined where there is no desktop. */
export function browserCommand(platform: NodeJS.Platform, env: NodeJS.ProcessEnv): [string, ...string[]] | undefined {
  if (env.SSH_CONNECTION) return undefined;
  if (platform === "darwin") return ["open"];
  if (platform === "win32") return ["rundll32", "url.dll,FileProtocolHandler"];
  return env.DISPLAY || env.WAYLAND_DISPLAY ? ["xdg-open"] : undefined;
}
