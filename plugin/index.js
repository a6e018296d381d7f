/** What `pulumi` starts for a program in another language. */
import { servePlugin } from "../dist/infra/library/plugin.js";

void servePlugin(new URL("./schema.json", import.meta.url), process.argv.slice(2));
