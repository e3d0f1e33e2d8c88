import { type Journals, on } from "../penguiflow-durable.ts";
import { inFiles } from "../sqlite.ts";

export const journals: Journals = inFiles("normal", "survives the end of the process");

export const durable = on(journals, "sqlite-normal");
