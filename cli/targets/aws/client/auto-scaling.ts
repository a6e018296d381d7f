import { type AwsClientConfig, sdkOptions } from "./client-config.ts";

/** An Auto Scaling group. */
export interface HostGroup {
  readonly name: string;
  readonly least: number;
  readonly most: number;
  readonly desired: number;
  readonly hosts: readonly GroupHost[];
  /** Processes that somebody has suspended: `Launch`, say. */
  readonly suspended: readonly string[];
}

interface GroupHost {
  readonly id: string;
  readonly type: string;
  readonly zone: string;
  /** Pending, InService, Terminating, Terminating:Wait, … */
  readonly state: string;
  /** From scale-in: the group does not end it where it is to have fewer. */
  readonly protectedFromScaleIn: boolean;
}

/** What a group did, or tried to do. */
export interface ScalingActivity {
  /** ISO time of its start. */
  readonly at: string;
  /** Successful, Failed, Cancelled, InProgress, … */
  readonly status: string;
  /** "Launching a new EC2 instance: i-…". */
  readonly what: string;
  /** Why it failed, in AWS's words. */
  readonly message: string;
}

/** The latest activities that AWS returns in one answer. */
const ACTIVITIES = 50;

/** Auto Scaling, for groups by their names. Errors are the SDK's own. */
export async function openAutoScaling(config: AwsClientConfig) {
  const sdk = await import("@aws-sdk/client-auto-scaling");
  const client = new sdk.AutoScalingClient(sdkOptions(config));
  return {
    /** Those of the names that exist. */
    async groups(names: readonly string[]): Promise<HostGroup[]> {
      const answer = await client.send(new sdk.DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [...names] }));
      return (answer.AutoScalingGroups ?? []).map((group) => ({
        name: group.AutoScalingGroupName ?? "",
        least: group.MinSize ?? 0,
        most: group.MaxSize ?? 0,
        desired: group.DesiredCapacity ?? 0,
        hosts: (group.Instances ?? []).map((host) => ({
          id: host.InstanceId ?? "",
          type: host.InstanceType ?? "",
          zone: host.AvailabilityZone ?? "",
          state: host.LifecycleState ?? "",
          protectedFromScaleIn: host.ProtectedFromScaleIn ?? false,
        })),
        suspended: (group.SuspendedProcesses ?? []).flatMap(({ ProcessName }) => ProcessName ?? []),
      }));
    },

    /** The latest ones, the latest first. */
    async activities(name: string): Promise<ScalingActivity[]> {
      const answer = await client.send(
        new sdk.DescribeScalingActivitiesCommand({ AutoScalingGroupName: name, MaxRecords: ACTIVITIES }),
      );
      return (answer.Activities ?? []).map((activity) => ({
        at: activity.StartTime?.toISOString() ?? "",
        status: activity.StatusCode ?? "",
        what: activity.Description ?? "",
        message: activity.StatusMessage ?? "",
      }));
    },

    async suspend(name: string, processes: readonly string[]): Promise<void> {
      const input = { AutoScalingGroupName: name, ScalingProcesses: [...processes] };
      await client.send(new sdk.SuspendProcessesCommand(input));
    },

    async resume(name: string, processes: readonly string[]): Promise<void> {
      const input = { AutoScalingGroupName: name, ScalingProcesses: [...processes] };
      await client.send(new sdk.ResumeProcessesCommand(input));
    },

    /** Within the group's limits, and whatever it did a moment ago. */
    async setDesired(name: string, hosts: number): Promise<void> {
      const input = { AutoScalingGroupName: name, DesiredCapacity: hosts, HonorCooldown: false };
      await client.send(new sdk.SetDesiredCapacityCommand(input));
    },

    /** Ends a host, also one that is protected from scale-in; the group is to have as many as before. */
    async terminate(id: string): Promise<void> {
      await client.send(
        new sdk.TerminateInstanceInAutoScalingGroupCommand({
          InstanceId: id,
          ShouldDecrementDesiredCapacity: false,
        }),
      );
    },
  };
}

export type AutoScaling = Awaited<ReturnType<typeof openAutoScaling>>;
