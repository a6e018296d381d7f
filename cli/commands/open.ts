import type { Command } from "commander";
import { execa } from "execa";
import { type CommonOptions, openContext, print } from "../core/context.ts";
import { isAws } from "../targets/aws/stack/target.ts";
import { locateRunning } from "../targets/locate.ts";

const EXAMPLES = `
Examples:
  imagegen open            the service's page in the browser; without one, its address
  imagegen open --stack aws-volume --port 8001     through a tunnel to the host, until Ctrl-C`;

interface OpenOptions extends CommonOptions {
  readonly port?: string;
}

export function addOpen(program: Command, signal: AbortSignal): void {
  program
    .command("open")
    .description("open the service's page in the browser")
    .option("--port <port>", "AWS: this machine's end of the tunnel (default: the stack's port)")
    .addHelpText("after", EXAMPLES)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<OpenOptions>();
      const context = openContext(options, signal);
      if (isAws(context)) {
        const { openService } = await import("../targets/aws/host/service.ts");
        const service = await openService(context, options.port);
        const shown = await openBrowser(service.url);
        print(context, { url: service.url, opened: shown }, () => service.url);
        if (service.tunnel) context.progress.line("Ctrl-C closes the tunnel.");
        await service.tunnel?.ended;
        return;
      }
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
