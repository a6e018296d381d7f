import { readFileSync } from "node:fs";
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
  const url = `${endpoint}/api/models/${modelId}/revision/${encodeURIComponent(revision)}`;
  const headers = authorization(login, token);
  const timeout = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
  const answer = await httpRequest(url, { headers, signal: timeout, proxyEnv: env }).catch(() => undefined);
  signal.throwIfAborted();
  return answer && explain(answer, { stack, endpoint, modelId, revision, token: token !== undefined, hasSecretToken });
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
  readonly revision: string;
  readonly token: boolean;
  readonly hasSecretToken: boolean;
}

/** Only what a Hugging Face hub says in its own code: a mirror may lack this part of the hub's API. */
function explain({ status, headers, body }: HttpAnswer, facts: Facts): ErrorDetail | undefined {
  const { stack, endpoint, modelId, revision, token, hasSecretToken } = facts;
  const code = String(headers["x-error-code"] ?? "");
  if (status === 404 && code === "RevisionNotFound") {
    const message = `${modelId} has no revision "${revision}" at ${endpoint} (REVISION_NOT_FOUND).`;
    return { message, fix: commandFor(stack, "up --config modelRevision=<commit, tag or branch>") };
  }
  if (hasSecretToken && !token) return undefined;
  if ((status === 404 || status === 401) && code === "RepoNotFound") {
    const hidden = token ? "the account of HF_TOKEN can't see it" : "it is private and needs HF_TOKEN";
    const message = `${endpoint} has no model ${modelId}, or ${hidden} (MODEL_NOT_FOUND).`;
    return { message, fix: commandFor(stack, "up --model <organisation>/<name>") };
  }
  const page = `${endpoint}/${modelId}`;
  if (code === "GatedRepo" || (status === 200 && !token && isGated(body))) {
    const message = `${modelId} is gated: ${page} has terms to accept (GATED_MODEL).`;
    return { message, fix: `accept them there, then HF_TOKEN=<token> ${commandFor(stack, `up --model ${modelId}`)}` };
  }
  return undefined;
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
