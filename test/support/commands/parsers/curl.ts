import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SERVICE_FACTS } from "../../../../scripts/reference/pages.ts";
import type { ServiceFacts } from "../../../../scripts/reference/service.ts";
import { paths } from "../../paths.ts";

/** Options of curl that are printed, and whether each takes a value. */
const OPTIONS: Readonly<Record<string, boolean>> = {
  "-s": false,
  "-f": false,
  "-sf": false,
  "-H": true,
  "-d": true,
  "-o": true,
  "-X": true,
  "-F": true,
};

/** What is wrong with a request to the service: its path, or the fields of its body. */
export function checkCurl([, ...args]: readonly string[]): string | null {
  const { http } = JSON.parse(readFileSync(join(paths.root, SERVICE_FACTS), "utf8")) as ServiceFacts;
  let body: string | undefined;
  let method: string | undefined;
  const form: string[] = [];
  let address = "";
  for (let at = 0; at < args.length; at += 1) {
    const word = args[at] ?? "";
    if (!word.startsWith("-")) address = word;
    else if (!(word in OPTIONS)) return `unknown option ${word}`;
    else if (OPTIONS[word]) {
      at += 1;
      const value = args[at] ?? "";
      if (word === "-d") body = value;
      if (word === "-X") method = value;
      if (word === "-F") form.push(value.replace(/=.*/s, ""));
    }
  }
  if (!URL.canParse(address.includes("://") ? address : `http://${address}`)) return `${address} is no address`;
  const { hostname, pathname, port } = new URL(address.includes("://") ? address : `http://${address}`);
  if (!["localhost", "127.0.0.1"].includes(hostname)) return null;
  if (port !== "8000" && port !== "8001" && port !== "9000") return `nothing listens on port ${port}`;
  method ??= body === undefined && form.length === 0 ? "GET" : "POST";
  const known = [...http.paths, "GET /readyz", "GET /healthz"].find((each) => matches(each, `${method} ${pathname}`));
  if (!known) return `the service has no ${method} ${pathname}`;
  const fields = [...form, ...(body === undefined ? [] : Object.keys(JSON.parse(body) as object))];
  const unknown = fields.find((field) => !http.bodies[known]?.includes(field));
  return unknown ? `the request has no field ${unknown}` : null;
}

/** Whether a route, in which `{name}` is one part of any path and `{model_id}` the organisation and the name, is the one of this request. */
function matches(route: string, request: string): boolean {
  const parts = route.replace("{model_id}", "{organisation}/{model}").split("/");
  const given = request.split("/");
  return parts.length === given.length && parts.every((part, at) => part.startsWith("{") || part === given[at]);
}
