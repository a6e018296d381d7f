import { SERVICE_VARIABLES, type ServiceVariable, WAYS_IN } from "../../infra/config/service-variables.ts";
import { block, code, page, table } from "./markdown.ts";

interface Variable {
  readonly name: string;
  readonly default: string;
  readonly values: string;
  readonly text: string;
}

interface Metric {
  readonly name: string;
  readonly kind: string;
  readonly text: string;
}

/** docs/reference/service.json, which service.py writes: what the Python side promises to others. */
export interface ServiceFacts {
  readonly environment: readonly Variable[];
  /** Of workers and gateways, beside the former. */
  readonly fleet_environment: readonly Variable[];
  readonly http: {
    readonly paths: readonly string[];
    /** The fields of each body, by the method and path that take it. */
    readonly bodies: Readonly<Record<string, readonly string[]>>;
    readonly request: readonly {
      readonly name: string;
      readonly text: string;
      readonly default: string | number | null;
      readonly required: boolean;
    }[];
    readonly readyz: readonly { readonly name: string; readonly text: string }[];
    readonly phases: readonly string[];
    readonly statuses: readonly { readonly status: number; readonly code: string; readonly text: string }[];
    readonly metrics: readonly Metric[];
    /** What of this the gateway of a fleet has, and its own metrics. */
    readonly gateway: { readonly paths: readonly string[]; readonly metrics: readonly Metric[] };
  };
  readonly commands: readonly {
    readonly name: string;
    readonly text: string;
    readonly options: readonly { readonly flags: string; readonly value: string; readonly text: string }[];
  }[];
  readonly exit_codes: readonly (readonly [number, string])[];
  readonly errors: readonly {
    readonly code: string;
    readonly text: string;
    readonly fix: string;
    readonly retryable: boolean;
    readonly exit_code: number;
  }[];
  readonly json: Readonly<
    Record<string, { readonly text: string; readonly fields: readonly string[]; readonly parts: readonly string[] }>
  >;
}

const variableTable = (rows: readonly Variable[]) =>
  table(
    ["variable", "default", "values", "meaning"],
    rows.map((each) => [code(each.name), each.default || "empty", each.values, each.text]),
  );

const metricTable = (rows: readonly Metric[]) =>
  table(
    ["name", "type", "meaning"],
    rows.map(({ name, kind, text }) => [code(name), kind, text]),
  );

export function environmentPage({ environment, fleet_environment }: ServiceFacts): string {
  return page(
    "Environment variables of the service",
    "The Pulumi program and `compose.yaml` set them. A container that you start yourself reads the same ones. An empty " +
      "value means that the variable is not set. For the variables of `imagegen`, see " +
      "[the command line](cli.md#environment-variables-of-imagegen).",
    variableTable(environment),
    "## Of a fleet",
    "The workers (`image-gen work`) and the [gateway](../guides/gateway.md) (`image-gen gateway`) of a fleet read these, too.",
    variableTable(fleet_environment),
    "## How each is set",
    "A [key](config.md) of a stack sets the variable in Docker, on AWS and for a process. Compose passes those that are set where it runs. " +
      "`imagegen up` takes them from its shell and keeps them, or says why not. Where a way in does not pass a variable, the reason is here.",
    table(["variable", "key of a stack", "not passed"], SERVICE_VARIABLES.map(deliveryRow)),
  );
}

const TITLES = { process: "a process", docker: "Docker", compose: "Compose", aws: "AWS" } as const;

function deliveryRow({ name, key, fixed, not = {} }: ServiceVariable): readonly string[] {
  const without = fixed === undefined ? code("environment") : "set by the program";
  const reasons = new Set(Object.values(not));
  const exceptions = [...reasons].map((reason) => {
    const ways = WAYS_IN.filter((way) => not[way] === reason).map((way) => TITLES[way]);
    return `${ways.length === WAYS_IN.length ? "" : `${ways.join(", ")}: `}${reason}`;
  });
  return [code(name), key === undefined ? without : code(key), exceptions.join("; ")];
}

const PATHS: Readonly<Record<string, string>> = {
  "GET /healthz": "200 as soon as the process is up, for as long as it runs (liveness). Needs no key.",
  "GET /readyz": "503 until the model is loaded and has made a picture, then 200 (readiness). Needs no key.",
  "POST /v1/images/generations": "Makes pictures: OpenAI's images API, and the fields below.",
  "POST /v1/images/edits":
    "Changes an image, or with a mask a part of it: OpenAI's form. See [the guide](../guides/images-api.md#edits-and-variations).",
  "POST /v1/images/variations": "Makes pictures like an image: OpenAI's form.",
  "POST /v1/jobs": "Takes the same request, and answers at once with a job. See [jobs](../guides/jobs.md).",
  "GET /v1/jobs/{job_id}": "The job's state; when it has succeeded, its pictures.",
  "POST /v1/jobs/{job_id}/cancel": "Ends a job that is not done.",
  "DELETE /v1/jobs/{job_id}": "Ends the job if it is not done, and deletes all that is kept of it.",
  "GET /v1/files/{name}":
    "A picture that was asked for with `response_format: url`, until it expires. Needs no key. [Addresses](../guides/images-api.md#addresses-of-pictures).",
  "GET /v1/queue": "How many requests and jobs are being made and wait, and for how long.",
  "GET /v1/cache":
    "The models that are cached and the room on their disk. See [the cache over HTTP](../guides/cache.md#over-http).",
  "POST /v1/cache/prefetch": "Downloads a model to the cache. Needs the permission `cache`, as all of the following.",
  "POST /v1/cache/verify": "Compares the files of one model, or of all, with their hashes.",
  "DELETE /v1/cache/models/{model_id}":
    "Deletes a model, or with `revision` one of its revisions, unless it is in use.",
  "GET /v1/cache/operations": "The latest operations on the cache.",
  "GET /v1/cache/operations/{operation_id}": "How far an operation is, and its result.",
  "POST /v1/cache/operations/{operation_id}/cancel": "Ends a prefetch or a verification.",
  "GET /v1/models": "The model that is served, in OpenAI's form.",
  "GET /v1/models/{name}": "The same, by its id.",
  "GET /metrics": "Metrics for Prometheus.",
  "GET /":
    "A page to make pictures and to watch the start-up, from the first moment. It and its files, below `/page/`, need no key.",
};

export function httpPage({ http }: ServiceFacts): string {
  const missing = http.paths.filter((path) => !(path in PATHS));
  if (missing.length > 0) throw new Error(`PATHS of service.ts does not describe ${missing.join(", ")}`);
  return page(
    "HTTP",
    "The service listens on port 8000. With `IMAGE_GEN_API_KEY` set, every path requires `Authorization: Bearer <key>`, " +
      "except where the table says otherwise. `/openapi.json` has the schema of the API.",
    table(
      ["path", "answer"],
      Object.entries(PATHS).map(([path, text]) => [code(path), text]),
    ),
    "## The body of `/readyz`",
    table(
      ["field", "meaning"],
      http.readyz.map(({ name, text }) => [code(name), text]),
    ),
    `Phases, in their order: ${http.phases.map(code).join(", ")}. \`error.code\` is one of the [error codes](errors.md).`,
    "## The request of `/v1/images/generations`",
    table(
      ["field", "default", "value"],
      http.request.map(({ name, text, default: value, required }) => [
        code(name),
        required ? "required" : value === null ? "" : code(String(value)),
        text,
      ]),
    ),
    "The answer has `created`, `data` (a list of `b64_json` and the `seed` of each picture), `model`, `size`, " +
      "`background`, `output_format`, `quality`, `steps` and `seconds`; `notes` on fields that were not used; where a text encoder does not read a prompt to its end, also " +
      "`truncated_tokens`, with the number of tokens that were left out of each prompt. Picture *i* of a request has the " +
      "seed plus *i*. Every answer has " +
      "`X-Request-ID`, the one that was sent or a new one.",
    "## Statuses",
    'An error has OpenAI\'s form: `{"error": {"message", "type", "param", "code"}}`.',
    table(
      ["status", "code", "meaning"],
      http.statuses.map((each) => [
        each.status,
        each.code === "" ? "" : each.code.split(", ").map(code).join(", "),
        each.text,
      ]),
    ),
    "## Metrics",
    metricTable(http.metrics),
    "## The gateway of a fleet",
    `[\`image-gen gateway\`](../guides/gateway.md) has \`GET /healthz\`, \`GET /readyz\` and ${http.gateway.paths.map(code).join(", ")}, ` +
      "with the statuses above. Its `/readyz` has `workers`, `engines`, `waiting_jobs` and `running_jobs` in place of `usage`. " +
      "Its metrics are those of connections and requests above, and these:",
    metricTable(http.gateway.metrics),
  );
}

export function errorsPage({ errors }: ServiceFacts): string {
  return page(
    "Error codes",
    "`error.code` in `/readyz`, in the host's status and in the JSON of `image-gen`. The message beside it says what " +
      "happened with the names and numbers of the case. For symptoms and their fixes, see " +
      "[troubleshooting](../troubleshooting.md).",
    "*Retried*: the service, or the download, tries again by itself; the error counts only when it lasts. *Exit*: the exit code of " +
      "`image-gen`.",
    table(
      ["code", "what happened", "fix", "retried", "exit"],
      errors.map((each) => [code(each.code), each.text, each.fix, each.retryable ? "yes" : "", each.exit_code]),
    ),
  );
}

export function imageGenPage({ commands }: ServiceFacts): string {
  return page(
    "The command in the container: `image-gen`",
    "`imagegen cache …` finds the container and runs this command in it. Run it yourself with " +
      "`docker exec image-game-image-gen image-gen <command>`. Every command but `serve`, `work` and `gateway` has `--json`.",
    table(
      ["command", "does"],
      commands.map(({ name, text }) => [`[\`${name}\`](#image-gen-${name.replaceAll(" ", "-")})`, text]),
    ),
    "How a command ends is in [exit codes](exit-codes.md).",
    ...commands.map(({ name, options }) => {
      const own = options.filter(({ flags }) => flags !== "--json");
      const rows = own.map(({ flags, value, text }) => [code(`${flags} ${value}`.trim()), text]);
      const usage = block(`image-gen ${name}${own.length > 0 ? " [options]" : ""}`);
      return [`## image-gen ${name}`, usage, table(["option", "meaning"], rows)].filter(Boolean).join("\n\n");
    }),
  );
}
