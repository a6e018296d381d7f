import type { Command } from "commander";
import { execa } from "execa";
import { type CommonOptions, openContext, print } from "../context.ts";
import { locateRunning } from "../locate.ts";

const EXAMPLES = `
Examples:
  imagegen open            the service's page in the browser; without one, its address`;

export function addOpen(program: Command, signal: AbortSignal): void {
  program
    .command("open")
    .description("open the service's page in the browser")
    .addHelpText("after", EXAMPLES)
    .action(async (_options: unknown, command: Command) => {
      const context = openContext(command.optsWithGlobals<CommonOptions>(), signal);
      const { url } = await locateRunning(context);
      const opened = await openBrowser(url);
      print(context, { url, opened }, () => url);
    });
}

/** True when the system took the address to show it. */
async function openBrowser(url: string): Promise<boolean> {
  const opener = browserCommand(process.platform, process.env);
  if (!opener) return false;
  const [file, ...args] = opener;
  const result = await execa(file, [...args, url], { reject: false, stdio: "ignore", timeout: 5000 });
  return result.exitCode === 0;
}

/** What opens an address on this system; undefined where there is no desktop to show it. */
export function browserCommand(platform: NodeJS.Platform, env: NodeJS.ProcessEnv): [string, ...string[]] | undefined {
  if (env.SSH_CONNECTION) return undefined;
  if (platform === "darwin") return ["open"];
  if (platform === "win32") return ["rundll32", "url.dll,FileProtocolHandler"];
  return env.DISPLAY || env.WAYLAND_DISPLAY ? ["xdg-open"] : undefined;
}
