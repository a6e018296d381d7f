import { type AwsClientConfig, sdkOptions } from "./client-config.ts";
import { hasAwsErrorName } from "./errors.ts";

/** Systems Manager: parameters, and commands on the host. Errors are the SDK's own. */
export async function openSsm(config: AwsClientConfig) {
  const sdk = await import("@aws-sdk/client-ssm");
  const client = new sdk.SSMClient(sdkOptions(config));
  return {
    /** The parameter's value; null when there is none. */
    async parameter(name: string): Promise<string | null> {
      try {
        const answer = await client.send(new sdk.GetParameterCommand({ Name: name, WithDecryption: false }));
        return answer.Parameter?.Value ?? null;
      } catch (error) {
        if (hasAwsErrorName(error, "ParameterNotFound")) return null;
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
          // Seconds for the agent to accept the command; then for the script.
          TimeoutSeconds: 60,
          Parameters: { commands: [script], executionTimeout: [String(options.seconds)] },
        }),
      );
      return answer.Command?.CommandId ?? "";
    },

    /** The state of a command; null while AWS has not passed it on yet. AWS truncates its output. */
    async invocation(instanceId: string, commandId: string) {
      try {
        const answer = await client.send(
          new sdk.GetCommandInvocationCommand({ CommandId: commandId, InstanceId: instanceId }),
        );
        return {
          /** Pending, InProgress, Delayed; Success, Failed, TimedOut, Cancelled, Undeliverable, … */
          status: String(answer.Status ?? "Pending"),
          stdout: answer.StandardOutputContent ?? "",
          stderr: answer.StandardErrorContent ?? "",
          detail: answer.StatusDetails ?? "",
        };
      } catch (error) {
        if (hasAwsErrorName(error, "InvocationDoesNotExist")) return null;
        throw error;
      }
    },

    async cancel(commandId: string): Promise<void> {
      await client.send(new sdk.CancelCommandCommand({ CommandId: commandId }));
    },
  };
}

export type Ssm = Awaited<ReturnType<typeof openSsm>>;
export type Invocation = NonNullable<Awaited<ReturnType<Ssm["invocation"]>>>;
