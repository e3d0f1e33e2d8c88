import { setTimeout as sleep } from "node:timers/promises";

/** The weather in a city. */
export interface Weather {
  readonly city: string;
  readonly celsius: number;
}

let asked = 0;

/** Stands for a service: it takes its time, and fails every third time. */
export async function askWeather(city: string, signal: AbortSignal): Promise<Weather> {
  await sleep(20, undefined, { signal });
  asked += 1;
  if (asked % 3 === 0) throw new Error("503 from the weather service");
  return { city, celsius: city.length };
}
