import { AWS_RATES } from "../aws/startup.ts";
import { bytesToFetch, type ModelSize } from "../manifest.ts";
import { RATES } from "../startup.ts";

/** What the forecast is made from, besides the rates of one host; printed with it. None was measured on AWS. */
export const FLEET_RATES = {
  /** SQS sends its figures to CloudWatch once a minute. */
  metricSeconds: 60,
  /** An alarm looks at whole minutes. */
  alarmSeconds: 60,
  /** From a group's decision to an instance that boots: assumed. */
  launchSeconds: 30,
} as const;

/** SQS's figures of a queue that nobody has asked for six hours may come this much later, as its documentation has it. */
export const IDLE_QUEUE_SECONDS = 900;

interface ForecastStep {
  readonly what: string;
  readonly seconds: number;
  readonly formula: string;
}

/** From a job in an empty fleet to its picture. */
export interface FleetForecast {
  readonly steps: readonly ForecastStep[];
  readonly formula: string;
  /** From the job to its picture, where CloudWatch wakes the fleet. */
  readonly zeroSeconds: number;
  /** The same where whoever sends the job sets the group's desired count. */
  readonly askedSeconds: number;
  /** From a host's launch to its first picture. */
  readonly warmUpSeconds: number;
}

export interface ForecastInputs {
  readonly model: ModelSize;
  readonly imageBytes: number;
  /** Whether the model is in the image. */
  readonly baked: boolean;
  readonly secondsPerPicture: number;
}

export function forecastFleet(inputs: ForecastInputs): FleetForecast {
  const { model, imageBytes, baked, secondsPerPicture } = inputs;
  const fetched = baked ? 0 : bytesToFetch(model);
  const load = Math.max(RATES.importSeconds, model.bytes / RATES.readBytesPerSecond) + RATES.gpuWarmUpSeconds;
  const wake: ForecastStep[] = [
    {
      what: "the job is seen",
      seconds: FLEET_RATES.metricSeconds + FLEET_RATES.alarmSeconds,
      formula: `SQS's minute + the alarm's, at most`,
    },
  ];
  const start: ForecastStep[] = [
    {
      what: "the host boots",
      seconds: FLEET_RATES.launchSeconds + AWS_RATES.bootSeconds,
      formula: `${FLEET_RATES.launchSeconds} s launch + ${AWS_RATES.bootSeconds} s boot, assumed`,
    },
    {
      what: "the image is pulled",
      seconds: Math.round(imageBytes / AWS_RATES.pullBytesPerSecond),
      formula: `bytes / ${AWS_RATES.pullBytesPerSecond / 1e6} MB/s`,
    },
    {
      what: "the model is fetched",
      seconds: Math.round(fetched / AWS_RATES.downloadBytesPerSecond),
      formula: `bytes / ${AWS_RATES.downloadBytesPerSecond / 1e6} MB/s`,
    },
    {
      what: "the model is loaded",
      seconds: Math.round(load),
      formula: `the longer of ${RATES.importSeconds} s and bytes / ${RATES.readBytesPerSecond / 1e6} MB/s, + ${RATES.gpuWarmUpSeconds} s`,
    },
  ];
  const picture = { what: "the picture is made", seconds: secondsPerPicture, formula: "secondsPerPicture" };
  const sum = (steps: readonly ForecastStep[]) => steps.reduce((total, { seconds }) => total + seconds, 0);
  return {
    steps: [...wake, ...start, picture],
    formula: "the sum of the steps",
    zeroSeconds: sum([...wake, ...start, picture]),
    askedSeconds: sum([...start, picture]),
    warmUpSeconds: sum(start),
  };
}
