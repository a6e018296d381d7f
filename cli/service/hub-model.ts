import { readFileSync } from "node:fs";
import { checkpointOf, repositoryOf } from "../../infra/config/hub-id.ts";
import { splitLogin } from "../../infra/config/login.ts";
import { DEMO_MODEL, MODEL_VARIABLES, TOKEN_VARIABLE } from "../../infra/contract.ts";
import { type HttpAnswer, httpRequest } from "../../infra/io/http-request.ts";
import { commandFor } from "../core/command-line.ts";
import type { ErrorDetail } from "../core/exit.ts";
import { userPath } from "../core/user-path.ts";
import { loginTokenFile } from "./hf-home.ts";

/** Milliseconds for the hub to answer; without an answer the service itself finds out. */
const ANSWER_MS = 5_000;
const HUB = "https://huggingface.co";
/** With one of these the files come from elsewhere, and the hub is not the one to ask. */
const OTHER_SOURCES = ["MODEL_DIR", "IMAGE_GEN_MIRROR", "HF_HUB_OFFLINE"];

interface Asked {
  readonly stack: string;
  readonly modelId: string;
  readonly modelRevision: string | null;
  readonly hubEndpoint: string | null;
  /** Whether the stack keeps a token that is not known here. */
  readonly hasSecretToken: boolean;
  /** Whether the service finds the token of `hf auth login`: a container does not. */
  readonly usesLogin: boolean;
  readonly signal: AbortSignal;
}

/**
 * Why the hub will not give this model to the service; undefined when it will, or when that can't be known from here. One
 * request, before anything is stopped or built.
 */
export async function findModelProblem(
  { stack, modelId, modelRevision, hubEndpoint, hasSecretToken, usesLogin, signal }: Asked,
  env: NodeJS.ProcessEnv = process.env,
): Promise<ErrorDetail | undefined> {
  if (modelId === DEMO_MODEL || OTHER_SOURCES.some((name) => env[name])) return undefined;
  const { address, login } = splitLogin(hubEndpoint ?? (env[MODEL_VARIABLES.hubEndpoint] || HUB));
  const endpoint = address.replace(/\/+$/, "");
  const revision = modelRevision ?? "main";
  const token = tokenOf(env, usesLogin);
  const repository = repositoryOf(modelId);
  const url = `${endpoint}/api/models/${repository}/revision/${encodeURIComponent(revision)}`;
  const headers = authorization(login, token);
  const timeout = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
  const answer = await httpRequest(url, { headers, signal: timeout, proxyEnv: env }).catch(() => undefined);
  signal.throwIfAborted();
  const facts = { stack, endpoint, modelId, repository, revision, token: token !== undefined, hasSecretToken };
  return answer && (explain(answer, facts) ?? explainFile(answer, facts));
}

/** As the service: a user and a password in the hub's address are meant for it alone, and a token is not sent then. */
function authorization(login: string | null, token: string | undefined): Record<string, string> {
  if (login !== null) return { authorization: `Basic ${Buffer.from(login).toString("base64")}` };
  return token ? { authorization: `Bearer ${token}` } : {};
}

interface Facts {
  readonly stack: string;
  readonly endpoint: string;
  readonly modelId: string;
  readonly repository: string;
  readonly revision: string;
  readonly token: boolean;
  readonly hasSecretToken: boolean;
}

/** Only what a Hugging Face hub says in its own code: a mirror may lack this part of the hub's API. */
function explain({ status, headers, body }: HttpAnswer, facts: Facts): ErrorDetail | undefined {
  const { stack, endpoint, modelId, repository, revision, token, hasSecretToken } = facts;
  const code = String(headers["x-error-code"] ?? "");
  if (status === 404 && code === "RevisionNotFound") {
    const message = `${repository} has no revision "${revision}" at ${endpoint} (REVISION_NOT_FOUND).`;
    return { message, fix: commandFor(stack, "up --config modelRevision=<commit, tag or branch>") };
  }
  if (hasSecretToken && !token) return undefined;
  if ((status === 404 || status === 401) && code === "RepoNotFound") {
    const hidden = token ? "the account of HF_TOKEN can't see it" : "it is private and needs HF_TOKEN";
    const message = `${endpoint} has no model ${repository}, or ${hidden} (MODEL_NOT_FOUND).`;
    return { message, fix: commandFor(stack, "up --model <organisation>/<name>") };
  }
  const page = `${endpoint}/${repository}`;
  if (code === "GatedRepo" || (status === 200 && !token && isGated(body))) {
    const message = `${repository} is gated: ${page} has terms to accept (GATED_MODEL).`;
    return { message, fix: `accept them there, then HF_TOKEN=<token> ${commandFor(stack, `up --model ${modelId}`)}` };
  }
  return undefined;
}

/** A checkpoint that is not among the repository's files. */
function explainFile({ status, body }: HttpAnswer, { stack, modelId, repository }: Facts): ErrorDetail | undefined {
  const file = checkpointOf(modelId);
  const files = status === 200 && file !== undefined ? namesOf(body) : undefined;
  if (file === undefined || files === undefined || files.includes(file)) return undefined;
  const others = files.filter((name) => name.endsWith(".safetensors"));
  const message = `${repository} has no file ${file}: it has ${others.slice(0, 8).join(", ") || "no safetensors"} (MODEL_NOT_FOUND).`;
  return { message, fix: commandFor(stack, `up --model ${repository}${others[0] ? "/<file>" : ""}`) };
}

function namesOf(body: string): readonly string[] | undefined {
  try {
    const { siblings } = JSON.parse(body) as { siblings?: readonly { readonly rfilename?: unknown }[] };
    return siblings?.map(({ rfilename }) => String(rfilename));
  } catch {
    return undefined;
  }
}

function isGated(body: string): boolean {
  try {
    const { gated } = JSON.parse(body) as { gated?: unknown };
    return gated === "auto" || gated === "manual" || gated === true;
  } catch {
    return false;
  }
}

/** The token of the environment, else, for a process, the one that `hf auth login` left. */
function tokenOf(env: NodeJS.ProcessEnv, usesLogin: boolean): string | undefined {
  const given = (env[TOKEN_VARIABLE] || env.HUGGING_FACE_HUB_TOKEN)?.trim();
  if (given) return given;
  const login = usesLogin ? loginTokenFile(env) : undefined;
  const file = env.HF_TOKEN_PATH ? userPath(env.HF_TOKEN_PATH, env) : login;
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, "utf8").trim() || undefined;
  } catch {
    // The service names a file that it can't read; without a token the hub says what it needs.
    return undefined;
  }
}
