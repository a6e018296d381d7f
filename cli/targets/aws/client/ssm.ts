import { type Access, clientSettings } from "./client-config.ts";
import { isAws } from "./errors.ts";

/** How a command on the host stands. Output is cut by AWS: 24,000 characters of stdout, 8,000 of stderr. */
export interface Invocation {
  /** Pending, InProgress, Delayed; Success, Failed, TimedOut, Cancelled, Undeliverable, … */
  readonly status: string;
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly detail: string;
}

/** Systems Manager: parameters, and commands on the host. Errors are the SDK's own. */
export async function openSsm(access: Access) {
  const sdk = await import("@aws-sdk/client-ssm");
  const client = new sdk.SSMClient(clientSettings(access));
  return {
    /** The parameter's value; null when there is none. */
    async parameter(name: string): Promise<string | null> {
      try {
        const answer = await client.send(new sdk.GetParameterCommand({ Name: name, WithDecryption: false }));
        return answer.Parameter?.Value ?? null;
      } catch (error) {
        if (isAws(error, "ParameterNotFound")) return null;
        throw error;
      }
    },

    /** Starts a shell script as root on the host; returns the command's id. */
    async run(instanceId: string, script: string, options: { seconds: number; comment: string }): Promise<string> {
      const answer = await client.send(
        new sdk.SendCommandCommand({
          InstanceIds: [instanceId],
          DocumentName: "AWS-RunShellScript",
          Comment: options.comment.slice(0, 100),
          // Seconds until the agent must have taken it; then until the script must have ended.
          TimeoutSeconds: 60,
          Parameters: { commands: [script], executionTimeout: [String(options.seconds)] },
        }),
      );
      return answer.Command?.CommandId ?? "";
    },

    /** Null while AWS has not yet passed the command on. */
    async invocation(instanceId: string, commandId: string): Promise<Invocation | null> {
      try {
        const answer = await client.send(
          new sdk.GetCommandInvocationCommand({ CommandId: commandId, InstanceId: instanceId }),
        );
        return {
          status: answer.Status ?? "Pending",
          exitCode: answer.ResponseCode ?? -1,
          stdout: answer.StandardOutputContent ?? "",
          stderr: answer.StandardErrorContent ?? "",
          detail: answer.StatusDetails ?? "",
        };
      } catch (error) {
        if (isAws(error, "InvocationDoesNotExist")) return null;
        throw error;
      }
    },

    async cancel(commandId: string): Promise<void> {
      await client.send(new sdk.CancelCommandCommand({ CommandId: commandId }));
    },
  };
}

export type Ssm = Awaited<ReturnType<typeof openSsm>>;
