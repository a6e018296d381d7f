import * as http from "node:http";
import * as https from "node:https";
import { text } from "node:stream/consumers";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

export interface HttpOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal: AbortSignal;
  /** Variables that may name a proxy. Without them none is used, whatever Node is set to use. */
  readonly proxyEnv?: NodeJS.ProcessEnv;
}

/** One request, whose redirects are not followed. Unlike `fetch`, it waits as long as `signal` lets it. */
export async function httpRequest(url: string, options: HttpOptions): Promise<HttpAnswer> {
  return httpExchange(url, options, async (response) => ({
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: await text(response),
  }));
}

/** The same, for an answer that `read` reads as it comes. */
export async function httpExchange<T>(
  url: string,
  { signal, body, proxyEnv, ...options }: HttpOptions,
  read: (response: http.IncomingMessage) => Promise<T>,
): Promise<T> {
  const { Agent, request } = url.startsWith("https:") ? https : http;
  const agent = new Agent(proxyEnv ? { proxyEnv } : {});
  try {
    const response = await new Promise<http.IncomingMessage>((done, fail) => {
      request(url, { ...options, agent, signal }, done)
        .on("error", fail)
        .end(body);
    });
    return await read(response);
  } finally {
    agent.destroy();
  }
}
