import { type Journals, on } from "../penguiflow-durable.ts";
import { inFiles } from "../sqlite.ts";

export const journals: Journals = inFiles("full", "survives a loss of power");

export const durable = on(journals, "sqlite-full");
