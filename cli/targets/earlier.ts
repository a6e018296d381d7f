import { CliError, type ErrorDetail, EXIT, firstLine } from "../core/exit.ts";

/** The service of a stack that works before an `up`, which a failure must not end. */
export interface EarlierService {
  readonly model: string;
  readonly url: string;
  /** The command that starts it, should going back fail. */
  readonly fix: string;
  /** False once it was stopped or replaced. */
  isRunning(): Promise<boolean>;
  /** Starts it again as it was, and waits until it is ready; with `wait: false` only until it has begun. */
  resume(options: { readonly wait: boolean }): Promise<void>;
}

interface GoingBack {
  readonly signal: AbortSignal;
  /** Puts back what was written for the new service. */
  readonly undo: () => void;
  readonly log: (line: string) => void;
}

/**
 * Runs `start`; when it fails, the earlier service continues, or is started again, and the error says both.
 */
export async function orGoBack<T>(
  earlier: EarlierService | undefined,
  { signal, undo, log }: GoingBack,
  start: () => Promise<T>,
): Promise<T> {
  try {
    return await start();
  } catch (error) {
    // What this machine lacks is found before anything is started.
    if (earlier || (error instanceof CliError && error.exitCode === EXIT.missingPrerequisite)) undo();
    if (!earlier) throw error;
    const running = await earlier.isRunning().catch(() => false);
    if (!running) log(`Going back to the earlier service (${earlier.model}) …`);
    throw new CliError(
      [...detailsOf(error, signal), await goBack(earlier, running, signal)],
      signal.aborted ? EXIT.interrupted : error instanceof CliError ? error.exitCode : EXIT.failed,
    );
  }
}

async function goBack(earlier: EarlierService, running: boolean, { aborted }: AbortSignal): Promise<ErrorDetail> {
  const service = `The earlier service (${earlier.model}) `;
  if (running) return { message: `${service}still runs at ${earlier.url}.` };
  try {
    // After Ctrl-C nobody waits for a model to be loaded.
    await earlier.resume({ wait: !aborted });
    return { message: `${service}${aborted ? "starts" : "runs"} again at ${earlier.url}.` };
  } catch (error) {
    return { message: `${service}could not be started again: ${firstLine(error)}`, fix: earlier.fix };
  }
}

function detailsOf(error: unknown, { aborted }: AbortSignal): readonly ErrorDetail[] {
  if (aborted) return [{ message: "interrupted" }];
  return error instanceof CliError ? error.details : [{ message: firstLine(error) }];
}
